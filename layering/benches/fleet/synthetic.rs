//! Fleets that nobody has to ship: closures with the shape of a package collection.
//!
//! A few low packages are needed by almost all, most by few; sizes span five orders of magnitude.
//! An image is an application with paths of its own on top of some packages and all that those need.

use std::collections::BTreeSet;

use layering::fleet::Image;
use layering::{Graph, Row, StorePath};

/// Packages in the collection.
const PACKAGES: usize = 8_000;

/// Paths that are an image's own: the application and its parts.
const OWN: usize = 20;

/// Steele and Vigna's splitmix64: the same fleet on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    /// Low numbers are likely: each of three draws bounds the next.
    fn low(&mut self, end: usize) -> usize {
        let upper = self.below(end) + 1;
        let middle = self.below(upper) + 1;
        self.below(middle)
    }

    /// From 1 KB to some 100 MB; half of all below 100 KB.
    fn size(&mut self) -> u64 {
        let magnitude = self.below(9) + self.below(10);
        (1 << (8 + magnitude.min(17))) + self.next() % (1 << (8 + magnitude.min(17)))
    }
}

/// `images` closures of about `paths` paths each.
pub(crate) fn fleet(images: usize, paths: usize) -> Result<Vec<Image>, layering::GraphError> {
    let mut random = Random(1);
    let packages: Vec<(u64, Vec<usize>)> = (0..PACKAGES)
        .map(|number| {
            let count = random.below(6).min(number);
            (random.size(), (0..count).map(|_| random.low(number)).collect())
        })
        .collect();
    (0..images)
        .map(|image| {
            let mut reached = BTreeSet::new();
            let mut tops = Vec::new();
            while reached.len() + OWN < paths {
                // An image is of one kind, and its packages stand near each other.
                let top = (image % 10 * PACKAGES / 10 + random.low(PACKAGES)) % PACKAGES;
                tops.push(package(top));
                let mut ahead = vec![top];
                while let Some(number) = ahead.pop() {
                    if reached.insert(number) {
                        ahead.extend(&packages[number].1);
                    }
                }
            }
            let own = |part: usize| path(1_000_000 + image * OWN + part, "app");
            let mut rows: Vec<Row> = (0..OWN)
                .map(|part| Row {
                    path: own(part),
                    nar_size: random.size(),
                    references: if part == 0 { (1..OWN).map(own).collect() } else { tops.clone() },
                })
                .collect();
            rows.extend(reached.into_iter().map(|number| Row {
                path: package(number),
                nar_size: packages[number].0,
                references: packages[number].1.iter().copied().map(package).collect(),
            }));
            Ok(Image { name: format!("image-{image}"), graph: Graph::new(rows)? })
        })
        .collect()
}

fn package(number: usize) -> StorePath {
    path(number, "package")
}

fn path(number: usize, name: &str) -> StorePath {
    // Digits are of the alphabet of hashes.
    format!("{number:0>32}-{name}-{number}").parse().expect("a store path")
}
