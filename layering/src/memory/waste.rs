//! How much of an image may be dead weight.

use std::fmt;
use std::str::FromStr;

/// The share of an image that may be dead paths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waste(f64);

/// No share of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a share from 0 to 100 percent, such as 5 or 2.5%")]
pub struct WasteError(String);

impl Eq for Waste {}

impl Waste {
    /// Nothing dead at all.
    pub const NONE: Self = Self(0.0);

    /// So much of `whole`.
    pub(super) fn of(self, whole: u64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "a share of bytes need not be exact")]
        let share = whole as f64 * self.0 / 100.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a u64, never negative; `as` saturates"
        )]
        let bytes = share as u64;
        bytes
    }
}

/// 5 %.
impl Default for Waste {
    fn default() -> Self {
        Self(5.0)
    }
}

impl FromStr for Waste {
    type Err = WasteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent: Option<f64> = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        percent
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(Self)
            .ok_or_else(|| WasteError(text.into()))
    }
}

impl fmt::Display for Waste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_share_of_a_whole() {
        let of = |text: &str, whole| text.parse::<Waste>().unwrap().of(whole);
        assert_eq!(of("5", 1000), 50);
        assert_eq!(of("2.5%", 1000), 25);
        assert_eq!(of("0", u64::MAX), 0);
        assert_eq!(of("100 %", u64::MAX), u64::MAX);
        assert_eq!(Waste::default().to_string(), "5%");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "-1", "101", "NaN", "inf", "half", "5%%"] {
            assert_eq!(text.parse::<Waste>(), Err(WasteError(text.into())), "{text}");
        }
    }
}
