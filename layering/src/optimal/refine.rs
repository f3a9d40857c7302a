//! Better layers: whatever is cheaper elsewhere moves there, until nothing is.

use super::cluster::Cluster;
use super::model::Model;

/// Rounds after which little is left to gain.
const ROUNDS: usize = 10;

/// Gains below this many bytes are not worth a move: they may be rounding.
const LEAST: f64 = 1e-3;

/// Moves single atoms from cluster to cluster. `atoms` are the clusters of one atom each, by
/// number.
pub(super) fn refine(clusters: &mut [Cluster], atoms: &[Cluster], model: &Model) {
    let mut home = vec![None; atoms.len()];
    for (index, cluster) in clusters.iter().enumerate() {
        for &atom in &cluster.atoms {
            home[atom] = Some(index);
        }
    }
    for _ in 0..ROUNDS {
        let mut moved = false;
        for (number, atom) in atoms.iter().enumerate() {
            let Some(from) = home[number] else { continue };
            if clusters[from].atoms.len() == 1 {
                continue;
            }
            let without = without(&clusters[from], number, atoms, model);
            let gain = clusters[from].cost(model) - without.cost(model);
            if let Some(to) = cheapest(clusters, from, atom, gain - LEAST, model) {
                clusters[from] = without;
                clusters[to].join(atom, model);
                home[number] = Some(to);
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
}

/// The cluster where `atom` costs the least, if that is less than `limit`.
fn cheapest(
    clusters: &[Cluster],
    from: usize,
    atom: &Cluster,
    limit: f64,
    model: &Model,
) -> Option<usize> {
    // A join saves a layer's overhead; a move does not, as the atom has no layer of its own.
    let alone = atom.cost(model);
    let mut limit = limit - alone;
    let mut best = None;
    for (index, cluster) in clusters.iter().enumerate() {
        if index != from
            && let Some(cost) = cluster.join_cost(atom, model, limit)
        {
            (limit, best) = (cost, Some(index));
        }
    }
    best
}

fn without(cluster: &Cluster, gone: usize, atoms: &[Cluster], model: &Model) -> Cluster {
    let mut rest = cluster.atoms.iter().filter(|&&atom| atom != gone).map(|&atom| &atoms[atom]);
    let mut smaller = rest.next().unwrap_or(cluster).clone();
    rest.for_each(|atom| smaller.join(atom, model));
    smaller
}
