//! The text at the beginning, and how much of each sum is kept.

use data_encoding::HEXLOWER;

use super::Options;
use super::sums::Sums;

/// Files from this length on have larger blocks, as `zsyncmake` has it.
const LARGE: u64 = 100_000_000;

/// Bytes in a block.
pub(super) fn block_size(length: u64) -> usize {
    if length < LARGE { 2048 } else { 4096 }
}

/// How many bytes of each sum are kept: so many that no block of another file passes for one of this by
/// chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// How many blocks in a row must be there for the first to count.
    pub(super) run: u32,
    /// Last bytes of the rolling sum.
    pub(super) rolling: usize,
    /// First bytes of the MD4.
    pub(super) md4: usize,
}

impl Kept {
    /// By `zsyncmake`'s formulas, with logarithms rounded up to whole bits so that they are the same on all
    /// machines.
    pub(super) fn of(length: u64, block: usize) -> Self {
        let bits = |number: u64| number.max(1).next_power_of_two().trailing_zeros();
        let run = if length > block as u64 { 2 } else { 1 };
        let (length, blocks) = (bits(length), bits(1 + length / block as u64));
        let rolling = (length + bits(block as u64)).saturating_sub(8).div_ceil(run * 8);
        let md4 = (20 + length + blocks).div_ceil(run * 8).max((20 + blocks).div_ceil(8));
        Self { run, rolling: rolling.clamp(2, 4) as usize, md4: md4.min(16) as usize }
    }

    /// Those bytes.
    pub(super) fn bytes(self, sums: &Sums) -> impl Iterator<Item = u8> {
        let rolling = sums.rolling.into_iter().skip(sums.rolling.len() - self.rolling);
        rolling.chain(sums.md4.into_iter().take(self.md4))
    }
}

/// All before the sums.
pub(super) fn text(
    options: Options<'_>,
    length: u64,
    block: usize,
    kept: Kept,
    sha1: &[u8; 20],
) -> String {
    let Kept { run, rolling, md4 } = kept;
    format!(
        "zsync: 0.6.2\nFilename: {}\nMTime: {}\nBlocksize: {block}\nLength: {length}\nHash-Lengths: {run},{rolling},{md4}\nURL: {}\nSHA-1: {}\n\n",
        options.name,
        options.modified.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        relative_url(options.name),
        HEXLOWER.encode(sha1),
    )
}

/// The name as a reference to a file beside the `.zsync` (RFC 3986, section 4.2). A colon would make a
/// scheme of what is before it.
fn relative_url(name: &str) -> String {
    let digit = |number: u8| char::from(b"0123456789ABCDEF"[usize::from(number)]);
    let mut url = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' => {
                url.push(char::from(byte));
            }
            _ => url.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    url
}
