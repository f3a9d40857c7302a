//! How much of an upload a registry has, as its `Range` header says it.
//!
//! The distribution specification ("Pushing a blob in chunks") writes `0-LAST`, both ends included, without the
//! `bytes=` of HTTP. There is no way to write "nothing", so most registries say `0-0` before the first byte, which also
//! means one byte.

/// The bytes that the registry has, if the header can be understood; 0 where it cannot be told from 1.
pub(crate) fn parse(header: &str) -> Option<u64> {
    let header = header.trim();
    let range =
        header.strip_prefix("bytes=").or_else(|| header.strip_prefix("bytes ")).unwrap_or(header);
    let (first, last) = range.split_once('-')?;
    if first.trim() != "0" {
        return None;
    }
    // Olareg writes -1 for the last byte of nothing.
    if last.trim() == "-1" {
        return Some(0);
    }
    match last.trim().parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_what_registries_send() {
        for (header, expected) in [
            ("0-0", Some(0)),
            ("0--1", Some(0)),
            ("0-1", Some(2)),
            ("0-8388607", Some(8_388_608)),
            ("bytes=0-99", Some(100)),
            (" 0-99 ", Some(100)),
            ("5-99", None),
            ("0-18446744073709551615", None),
            ("0-99/200", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(header in any::<String>()) {
            parse(&header);
        }

        #[test]
        fn round_trips(size in 2..=u64::MAX) {
            prop_assert_eq!(parse(&format!("0-{}", size - 1)), Some(size));
        }
    }
}
