//! Paths that are to share a layer, and what that is expected to cost.

use super::causes::Causes;
use super::model::{Model, likelihoods, overhead, pulled_now, updates};

/// One or several atoms in one layer. Atoms are what is not taken apart: units, or many tiny ones.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Which atoms, by number.
    pub(super) atoms: Vec<usize>,
    /// How many units those are.
    units: usize,
    /// Bytes that a pull of it moves.
    pub(crate) size: f64,
    /// Bytes of it that other images are expected to have.
    pub(super) shared: f64,
    /// How often it is touched, from `causes`.
    pub(super) touched: f64,
    /// How often its applications change by themselves.
    pub(super) apps: f64,
    /// What it costs if this layer becomes another: hosts have it, and must pull it again.
    held: f64,
    /// What changes it. Last, as most comparisons do without it, and it takes several cache lines.
    pub(super) causes: Causes,
}

impl Cluster {
    /// What nobody holds yet.
    pub(super) fn new(model: &Model, atom: usize, size: f64, causes: Causes, apps: f64) -> Self {
        let reach = causes.len();
        let (touched, shared) = (model.touched(reach), size * model.shared(reach));
        Self { atoms: vec![atom], units: 1, size, shared, causes, touched, apps, held: 0.0 }
    }

    /// Marks it as a layer that hosts have.
    pub(super) fn hold(&mut self) {
        self.held = pulled_now(self.size).max(f64::MIN_POSITIVE);
    }

    /// Whether it still is one.
    pub(super) fn is_held(&self) -> bool {
        self.held > 0.0
    }

    /// Bytes that an update is expected to move.
    pub(super) fn cost(&self, model: &Model) -> f64 {
        let mixed = if self.is_alone() { 0.0 } else { model.mixing() * self.shared };
        self.size * (self.touched + self.apps) + mixed + overhead()
    }

    /// How likely it moves when its application changes, when one package of so many does, and
    /// with a security update.
    pub(crate) fn likelihoods(&self, packages: usize) -> [f64; 3] {
        let [package, security] = likelihoods(self.causes.len(), packages);
        [self.apps.min(1.0), package, security]
    }

    /// How likely an update of any kind touches it, in a closure of so many packages.
    pub(crate) fn chance(&self, packages: usize) -> f64 {
        ((self.touched + self.apps) / updates(packages)).min(1.0)
    }

    /// Both in one layer.
    pub(super) fn join(&mut self, other: &Self, model: &Model) {
        self.take(other);
        self.touched = model.touched(self.causes.len());
    }

    /// All in one layer.
    pub(super) fn joined<'a>(
        mut self,
        others: impl Iterator<Item = &'a Self>,
        model: &Model,
    ) -> Self {
        others.for_each(|other| self.take(other));
        self.touched = model.touched(self.causes.len());
        self
    }

    /// As [`join`](Self::join), but for what depends on all causes.
    fn take(&mut self, other: &Self) {
        self.atoms.extend(&other.atoms);
        self.units += other.units;
        self.size += other.size;
        self.shared += other.shared;
        self.causes |= &other.causes;
        self.apps += other.apps;
        self.held = 0.0;
    }

    /// What it costs to put both into one layer, if that is less than `limit`.
    ///
    /// Exactly what [`cost`](Self::cost) of the joined one is above that of both, but that most
    /// pairs are ruled out before their causes are united, which is what takes the time.
    #[inline]
    pub(super) fn join_cost(&self, other: &Self, model: &Model, limit: f64) -> Option<f64> {
        let newly_mixed = |cluster: &Self| if cluster.is_alone() { cluster.shared } else { 0.0 };
        let known = model.mixing() * (newly_mixed(self) + newly_mixed(other))
            + self.size * other.apps
            + other.size * self.apps
            + self.held
            + other.held
            - overhead();
        let raised = |touched: f64| {
            self.size * (touched - self.touched) + other.size * (touched - other.touched)
        };
        if known + raised(self.touched.max(other.touched)) >= limit {
            return None;
        }
        let cost = known + raised(model.touched(self.causes.union_len(&other.causes)));
        (cost < limit).then_some(cost)
    }

    /// Whether its unit shares the layer with no other.
    fn is_alone(&self) -> bool {
        self.units == 1
    }
}
