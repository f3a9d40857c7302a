//! `Content-Range`: which part of a blob an answer has (RFC 9110, section 14.4).

/// `bytes FIRST-LAST/TOTAL`, or `bytes */TOTAL` for a part that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The first byte; `None` if there is no such part.
    pub(super) first: Option<u64>,
    /// All bytes of the blob, if that is told.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (part, total) = rest.trim().split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        if part == "*" {
            return Some(Self { first: None, total });
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let fits = first <= last && total.is_none_or(|total| last < total);
        fits.then_some(Self { first: Some(first), total })
    }
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_what_they_say() {
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(Some(5), Some(10)));
        assert_eq!(ContentRange::parse("Bytes 0-0/*"), range(Some(0), None));
        assert_eq!(ContentRange::parse("bytes */10"), range(None, Some(10)));
        for bad in [
            "",
            "bytes",
            "bytes 5-4/10",
            "bytes 5-10/10",
            "items 0-1/2",
            "bytes +1-2/3",
            "0-9",
            "bytes -/1",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = ContentRange::parse(&text);
        }

        #[test]
        fn what_is_written_is_read(first: u32, more: u32, rest: u32) {
            let (first, last) = (u64::from(first), u64::from(first) + u64::from(more));
            let total = last + 1 + u64::from(rest);
            let parsed = ContentRange::parse(&format!("bytes {first}-{last}/{total}"));
            prop_assert_eq!(parsed, Some(ContentRange { first: Some(first), total: Some(total) }));
        }
    }
}
