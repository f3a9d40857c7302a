//! What an earlier image gives to the plan of the next: layers to keep, and how far its paths
//! compress.

use std::collections::BTreeMap;

use layering::{Graph, Memory, Remembered, StorePath, Waste};

use super::{Earlier, EarlierLayer};

impl Earlier {
    /// The layers that a plan may keep; one with paths that left the closure only if it
    /// `can_be_made` again, as hosts have it.
    pub fn memory(&self, max_waste: Waste, can_be_made: impl Fn(&EarlierLayer) -> bool) -> Memory {
        let layers = self.layers.iter().filter(|layer| self.is_ours(layer));
        let layers = layers.map(|layer| Remembered {
            paths: layer.paths.clone(),
            nar_size: layer.nar_size,
            with_dead: can_be_made(layer),
        });
        Memory { layers: layers.collect(), max_waste }
    }

    /// `graph` with the bytes that a pull of each path moves: as far compressed as the layer that
    /// had it, and paths that are new as far as all of it.
    pub fn weigh(&self, graph: Graph) -> Graph {
        let mut factors: BTreeMap<&StorePath, Factor> = BTreeMap::new();
        let mut all = Factor { blob: 0, nar: 0 };
        for layer in &self.layers {
            let Some(factor) = Factor::of(layer) else { continue };
            all.blob += factor.blob;
            all.nar += factor.nar;
            factors.extend(layer.paths.iter().map(|path| (path, factor)));
        }
        if all.nar == 0 {
            return graph;
        }
        graph.with_moved_sizes(|node| factors.get(&node.path).unwrap_or(&all).of_nar(node.nar_size))
    }
}

/// How many bytes of blobs stand for how many of NARs.
#[derive(Clone, Copy, Debug)]
struct Factor {
    blob: u128,
    nar: u128,
}

impl Factor {
    fn of(layer: &EarlierLayer) -> Option<Self> {
        let (blob, nar) = (layer.blob.as_ref()?.size, layer.nar_size?);
        (nar > 0 && !layer.paths.is_empty()).then_some(Self { blob: blob.into(), nar: nar.into() })
    }

    fn of_nar(self, size: u64) -> u64 {
        u64::try_from(u128::from(size) * self.blob / self.nar).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use layering::Row;
    use registry::Digest;

    use super::super::{EarlierBlob, Kind};
    use super::*;
    use crate::image::layer_key;

    fn path(name: &str) -> StorePath {
        format!("{:0>32}-{name}", 1).parse().unwrap()
    }

    fn layer(names: &[&str], nar_size: u64, blob: u64) -> EarlierLayer {
        EarlierLayer {
            paths: names.iter().map(|name| path(name)).collect(),
            nar_size: Some(nar_size),
            blob: Some(EarlierBlob {
                digest: Digest::of(b""),
                size: blob,
                media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
                annotations: BTreeMap::new(),
            }),
            key: Some(Digest::of(b"")),
            ..EarlierLayer::default()
        }
    }

    fn earlier() -> Earlier {
        let layers = vec![layer(&["a", "b"], 100, 50), layer(&["c"], 100, 10), layer(&[], 9, 9)];
        Earlier::new("before", Kind::Image, None, layers).unwrap()
    }

    #[test]
    fn paths_weigh_what_their_layers_weighed() {
        let row = |name| Row { path: path(name), nar_size: 1000, references: vec![] };
        let graph = Graph::new(["a", "c", "new"].map(row)).unwrap();
        let weighed = earlier().weigh(graph);
        let sizes: Vec<u64> = weighed.nodes().iter().map(|node| node.moved_size).collect();
        assert_eq!(sizes, [500, 100, 300]);
    }

    #[test]
    fn what_says_how_it_was_made_can_be_recognised() {
        let mut known = layer(&["a"], 100, 50);
        known.recipe = Some("gzip:6/2".into());
        known.machines = vec!["amd64".into()];
        known.diff_id = Some(Digest::of(b"tar"));
        let odd = EarlierLayer { machines: vec!["not a name".into()], ..known.clone() };
        let named = |layer: EarlierLayer| {
            let layers = vec![layer];
            Earlier::new("before", Kind::Image, None, layers).unwrap().known_layers(None)
        };
        let recognised = named(known);
        let key = layer_key(&Digest::of(b""), "gzip:6/2");
        assert_eq!(recognised[&key].diff_id, Digest::of(b"tar"));
        assert!(named(odd).is_empty());
        assert!(named(layer(&["a"], 100, 50)).is_empty(), "of an older version");
    }

    #[test]
    fn only_what_can_be_made_is_kept_with_dead_paths() {
        let memory = earlier().memory(Waste::default(), |layer| layer.paths.len() == 1);
        let kept: Vec<bool> = memory.layers.iter().map(|layer| layer.with_dead).collect();
        assert_eq!(kept, [false, true]);
    }
}
