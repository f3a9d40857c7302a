//! Against the formulas, and against what `zsyncmake` 0.6.2 wrote of the same bytes.

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn zsync_of(bytes: &[u8]) -> Vec<u8> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut out = Vec::new();
    let options = Options { name: "App 1-x86_64.AppImage", modified: Timestamp::UNIX_EPOCH };
    write(&file, options, &mut out).unwrap();
    out
}

#[test]
fn the_header_has_what_clients_read() {
    let zsync = zsync_of(&[b'x'; 5000]);
    let end = zsync.windows(2).position(|two| two == b"\n\n").unwrap();
    assert_eq!(
        std::str::from_utf8(&zsync[..end]).unwrap(),
        "zsync: 0.6.2\nFilename: App 1-x86_64.AppImage\nMTime: Thu, 01 Jan 1970 00:00:00 +0000\nBlocksize: 2048\nLength: 5000\nHash-Lengths: 2,2,3\nURL: App%201-x86_64.AppImage\nSHA-1: c068a1f54d77965b428a7969125313ce29abb93b"
    );
    assert_eq!(zsync.len(), end + 2 + 3 * (2 + 3));
}

#[test]
fn names_that_would_break_the_header_are_refused() {
    for name in ["", "a/b", "a\nb"] {
        let options = Options { name, modified: Timestamp::UNIX_EPOCH };
        let result = write(&tempfile::tempfile().unwrap(), options, Vec::new());
        assert!(matches!(result, Err(ZsyncError::Name(_))), "{name:?}");
    }
}

#[test]
fn an_empty_file_has_no_blocks() {
    assert!(zsync_of(b"").ends_with(b"SHA-1: da39a3ee5e6b4b0d3255bfef95601890afd80709\n\n"));
}

proptest! {
    /// The rolling sum, moved on byte by byte as clients do it, is that of the block there.
    #[test]
    fn the_sum_rolls(bytes in prop::collection::vec(any::<u8>(), 64..200)) {
        let block = 64;
        let parts = |start: usize| {
            let [a, b, c, d] = sums::of_block(&bytes[start..start + block], block).rolling;
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        };
        let (mut sum, mut weighted) = parts(0);
        for start in 1..=bytes.len() - block {
            let (old, new) = (u16::from(bytes[start - 1]), u16::from(bytes[start + block - 1]));
            sum = sum.wrapping_add(new).wrapping_sub(old);
            weighted = weighted.wrapping_add(sum).wrapping_sub(old.wrapping_mul(64));
            prop_assert_eq!((sum, weighted), parts(start));
        }
    }

    /// Never fewer bytes than `zsyncmake` keeps.
    #[test]
    fn enough_is_kept(length in 1u64..1 << 36) {
        #[allow(clippy::cast_precision_loss, reason = "as zsyncmake has it")]
        let log = |number: u64| (number as f64).log2();
        let block = header::block_size(length);
        let kept = Kept::of(length, block);
        let run = f64::from(kept.run);
        let blocks = log(1 + length / block as u64);
        let rolling = ((log(length) + log(block as u64) - 8.6) / run / 8.0).ceil().clamp(2.0, 4.0);
        let md4 = ((20.0 + log(length) + blocks) / run / 8.0).ceil().max((20.0 + blocks) / 8.0);
        #[allow(clippy::cast_precision_loss, reason = "at most 16")]
        let (kept_rolling, kept_md4) = (kept.rolling as f64, kept.md4 as f64);
        prop_assert!(kept_rolling >= rolling && kept_md4 >= md4.floor(), "{kept:?} {rolling} {md4}");
    }
}
