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
    // Moves so far; as of which each cluster is as it is; and as of which no move was worth it for
    // each atom, so that only clusters that became others since need another look.
    let (mut moves, mut changed, mut settled) =
        (0, vec![0; clusters.len()], vec![None; atoms.len()]);
    for _ in 0..ROUNDS {
        let before = moves;
        for (number, atom) in atoms.iter().enumerate() {
            let Some(from) = home[number] else { continue };
            if clusters[from].atoms.len() == 1 {
                continue;
            }
            let since = settled[number].filter(|&since| changed[from] <= since);
            let is_new = |cluster: &usize| since.is_none_or(|since| changed[*cluster] > since);
            let others: Vec<usize> =
                (0..clusters.len()).filter(|index| *index != from).filter(is_new).collect();
            if others.is_empty() {
                continue;
            }
            let without = without(&clusters[from], number, atoms, model);
            let gain = clusters[from].cost(model) - without.cost(model);
            if let Some(to) = cheapest(clusters, &others, atom, gain - LEAST, model) {
                clusters[from] = without;
                clusters[to].join(atom, model);
                home[number] = Some(to);
                moves += 1;
                (changed[from], changed[to]) = (moves, moves);
            } else {
                settled[number] = Some(moves);
            }
        }
        if moves == before {
            break;
        }
    }
}

/// The one of `others` where `atom` costs the least, if that is less than `limit`.
fn cheapest(
    clusters: &[Cluster],
    others: &[usize],
    atom: &Cluster,
    limit: f64,
    model: &Model,
) -> Option<usize> {
    // A join saves a layer's overhead; a move does not, as the atom has no layer of its own.
    let alone = atom.cost(model);
    let mut limit = limit - alone;
    let mut best = None;
    for &index in others {
        if let Some(cost) = clusters[index].join_cost(atom, model, limit) {
            (limit, best) = (cost, Some(index));
        }
    }
    best
}

fn without(cluster: &Cluster, gone: usize, atoms: &[Cluster], model: &Model) -> Cluster {
    let mut rest = cluster.atoms.iter().filter(|&&atom| atom != gone).map(|&atom| &atoms[atom]);
    let first = rest.next().unwrap_or(cluster).clone();
    first.joined(rest, model)
}
