//! Which images of a fleet hold something.

/// A set of images, by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holders(Vec<u64>);

impl Holders {
    /// None of `count` images.
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    pub(super) fn insert(&mut self, image: usize) {
        self.0[image / 64] |= 1 << (image % 64);
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Those in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    /// How many are in both.
    pub(super) fn common(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// All, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        bits(self.0.iter().copied())
    }

    /// Those in both, in ascending order.
    pub(super) fn in_both(&self, other: &Self) -> impl Iterator<Item = usize> {
        bits(self.0.iter().zip(&other.0).map(|(a, b)| a & b))
    }

    /// Those that the other has not, in ascending order.
    pub(super) fn not_in(&self, other: &Self) -> impl Iterator<Item = usize> {
        bits(self.0.iter().zip(&other.0).map(|(a, b)| a & !b))
    }
}

fn bits(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(index, mut word)| {
        std::iter::from_fn(move || {
            let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
            word &= word - 1;
            Some(64 * index + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(images: &[usize]) -> Holders {
        let mut set = Holders::none(200);
        for &image in images {
            set.insert(image);
        }
        set
    }

    #[test]
    fn are_a_set() {
        let (a, b) = (set(&[0, 63, 64, 199]), set(&[63, 100, 199]));
        assert_eq!(a.len(), 4);
        assert_eq!(a.iter().collect::<Vec<_>>(), [0, 63, 64, 199]);
        assert_eq!(a.and(&b), set(&[63, 199]));
        assert_eq!(a.common(&b), 2);
        assert_eq!(a.in_both(&b).collect::<Vec<_>>(), [63, 199]);
        assert_eq!(a.not_in(&b).collect::<Vec<_>>(), [0, 64]);
    }
}
