//! Large files that are the same, found before any of them is stored: each is compared with the first
//! of its size, as far as they are the same. Only those that differ from it are hashed, if there are
//! several; so nothing is read more than three times, whatever there is. (Files that are smaller than
//! a block are compared on their way into fragments.)

use std::collections::HashMap;

use super::Error;
use super::pool::{Pool, Worker};
use super::source::Source;

/// For each of `sources`, the first one with the same content, if it is not that itself.
pub(super) fn find<'a>(
    sources: &[Source<'a>],
    block_size: u32,
    pool: &Pool<'a>,
) -> Result<Vec<Option<usize>>, Error> {
    let mut same = vec![None; sources.len()];
    let mut firsts = HashMap::new();
    let mut tickets = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        if source.size < u64::from(block_size) {
            continue;
        }
        let first = *firsts.entry(source.size).or_insert(index);
        if first != index {
            let pair = (sources[first], *source);
            let compare = move |worker: &mut Worker| is_same(pair, worker);
            tickets.push((index, first, pool.ask(false, compare)));
        }
    }
    let mut others = Vec::new();
    for (index, first, ticket) in tickets {
        match pool.wait(&ticket)? {
            true => same[index] = Some(first),
            false => others.push(index),
        }
    }
    let mut sizes: HashMap<u64, u32> = HashMap::new();
    for &index in &others {
        *sizes.entry(sources[index].size).or_default() += 1;
    }
    others.retain(|&index| sizes[&sources[index].size] > 1);
    let hash = |index: usize| {
        let source = sources[index];
        (index, pool.ask(false, move |worker| source.hash(&mut worker.buffer)))
    };
    let tickets: Vec<_> = others.into_iter().map(hash).collect();
    let mut known: HashMap<[u8; 32], usize> = HashMap::new();
    for (index, ticket) in tickets {
        let first = *known.entry(pool.wait(&ticket)?).or_insert(index);
        same[index] = Some(first).filter(|first| *first != index);
    }
    Ok(same)
}

/// Whether two files of one size have the same bytes.
fn is_same((a, b): (Source<'_>, Source<'_>), worker: &mut Worker) -> Result<bool, Error> {
    // Both parts stay in the cache of one core.
    const PART: usize = 64 << 10;
    let handles = (a.open()?, b.open()?);
    let buffer = &mut worker.buffer;
    if buffer.len() < 2 * (PART + 1) {
        buffer.resize(2 * (PART + 1), 0);
    }
    let (left, right) = buffer.split_at_mut(PART + 1);
    let mut offset = 0;
    while offset < a.size {
        let length = usize::try_from(a.size - offset).map_or(PART, |rest| rest.min(PART));
        a.read(&*handles.0, offset, length, left)?;
        b.read(&*handles.1, offset, length, right)?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
        offset += length as u64;
    }
    Ok(true)
}
