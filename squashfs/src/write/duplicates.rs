//! Large files that are the same, found before any of them is stored: only those of one size are
//! hashed. (Files that are smaller than a block are compared on their way into fragments.)

use std::collections::HashMap;

use super::Error;
use super::pool::{Pool, Ticket};
use super::source::Source;

/// For each of `sources`, the first one with the same content, if it is not that itself.
pub(super) fn find<'a>(
    sources: &[Source<'a>],
    block_size: u32,
    pool: &Pool<'a>,
) -> Result<Vec<Option<usize>>, Error> {
    let large = |source: &Source<'_>| source.size >= u64::from(block_size);
    let mut sizes: HashMap<u64, u32> = HashMap::new();
    for source in sources.iter().filter(|source| large(source)) {
        *sizes.entry(source.size).or_default() += 1;
    }
    let hash = |source: &Source<'a>| -> Option<Ticket<[u8; 32]>> {
        (sizes.get(&source.size)? > &1).then(|| {
            let source = *source;
            pool.ask(false, move |worker| source.hash(&mut worker.buffer))
        })
    };
    let tickets: Vec<_> = sources.iter().map(hash).collect();
    let mut first: HashMap<[u8; 32], usize> = HashMap::new();
    let mut same = Vec::with_capacity(sources.len());
    for (index, ticket) in tickets.into_iter().enumerate() {
        same.push(match ticket {
            None => None,
            Some(ticket) => match *first.entry(ticket.wait()?).or_insert(index) {
                earlier if earlier == index => None,
                earlier => Some(earlier),
            },
        });
    }
    Ok(same)
}
