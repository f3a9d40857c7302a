//! How many layers a plan may use.

use std::fmt;
use std::str::FromStr;

/// Between 1 and 127 layers.
///
/// 127 is what overlay mounts and `docker pull` can stack (moby/moby issue 25957 and containerd's
/// `maxLayers` agree); a longer image cannot be run anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(u8);

/// A number of layers that no image can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number of layers from 1 to 127")]
pub struct BudgetError(String);

impl Budget {
    /// The most that runtimes can stack.
    pub const MAX: Self = Self(127);

    /// Checks that `layers` is in bounds.
    pub fn new(layers: usize) -> Result<Self, BudgetError> {
        match u8::try_from(layers) {
            Ok(n) if (1..=Self::MAX.0).contains(&n) => Ok(Self(n)),
            _ => Err(BudgetError(layers.to_string())),
        }
    }

    /// The number of layers, never 0.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// What is left when `taken` layers hold something else; `None` if that is nothing.
    pub fn less(self, taken: usize) -> Option<Self> {
        self.get().checked_sub(taken).and_then(|rest| Self::new(rest).ok())
    }
}

/// 100, nixpkgs' default, which leaves room for the layers of those who build upon the image.
impl Default for Budget {
    fn default() -> Self {
        Self(100)
    }
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_err(|_| BudgetError(text.into())).and_then(Self::new)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_on_both_sides() {
        for text in ["0", "128", "-1", "", "ten", "300"] {
            assert_eq!(text.parse::<Budget>(), Err(BudgetError(text.into())));
        }
        assert_eq!("127".parse(), Ok(Budget::MAX));
        assert_eq!(Budget::new(1).unwrap().less(1), None);
        assert_eq!(Budget::new(3).unwrap().less(1), Budget::new(2).ok());
    }
}
