//! What a layer is expected to cost: bytes that updates move, by what updates are like.
//!
//! Updates are of three kinds. Only the application changes; or one package does, any of them
//! equally likely; or a security update touches many at once. Whatever has a changed path in its
//! closure changes, too, and every layer with such a path moves as a whole. So what counts of a
//! layer is its size and how many packages can touch it, its causes.
//!
//! The weights were chosen on the graphs of the bench `scores`, then checked on images made at
//! random from the same packages. Nothing depends on how many packages there are, or one more would
//! change every layer a little. And arithmetic is limited to what IEEE 754 rounds alike on all
//! machines, so that plans are the same on all.

use super::Scope;
use super::causes::Causes;

/// How often only the application changes, in some span of time.
const APP: f64 = 1.0;

/// How often each package changes by itself in that time.
const SINGLE: f64 = 0.001;

/// How often a security update comes in that time, of each kind in `SHARES`.
const MANY: f64 = 0.2;

/// Share of the packages that a security update touches.
const SHARES: [f64; 2] = [1.0 / 32.0, 1.0 / 16.0];

/// What another image, or this one after it was planned anew, loses when a path that both have is
/// no longer alone in its layer: this share of the path's bytes. Where earlier layers are kept,
/// nothing is planned anew.
const MIXING: f64 = 0.5;

/// Up to so many layers; with more there is less to lose, as fewer bytes are mixed.
const MIXING_LAYERS: f64 = 18.0;

/// Another image has a path the less, the more it needs: its chance falls to this share with each
/// package in its closure.
const SHARED: f64 = 0.95;

/// What a request for a layer costs, in bytes: head, descriptor, round trip.
const OVERHEAD: f64 = 2000.0;

/// What is pulled now weighs more than what updates are expected to pull in the span of time.
const NOW: f64 = 7.0;

/// What is expected of a plan with so many layers.
#[derive(Debug)]
pub(super) struct Model {
    /// By the number of causes.
    touched: Vec<f64>,
    /// By the number of causes.
    shared: Vec<f64>,
    mixing: f64,
}

impl Model {
    pub(super) fn new(layers: usize, scope: Scope) -> Self {
        let mut unhurt = SHARES.map(|_| 1.0);
        let mut present = 1.0;
        let (mut touched, mut shared) = (Vec::new(), Vec::new());
        for causes in 0..=Causes::MAX {
            let many: f64 = unhurt.iter().map(|unhurt| 1.0 - unhurt).sum();
            touched.push(SINGLE * number(causes) + MANY * many);
            shared.push(present);
            for (unhurt, share) in unhurt.iter_mut().zip(SHARES) {
                *unhurt *= 1.0 - share;
            }
            present *= SHARED;
        }
        let mixing = match scope {
            Scope::All => MIXING * (MIXING_LAYERS / number(layers)).min(1.0),
            Scope::Update => 0.0,
        };
        Self { touched, shared, mixing }
    }

    /// How often a layer with so many causes is touched.
    pub(super) fn touched(&self, causes: usize) -> f64 {
        self.touched[causes]
    }

    /// What share of the images with some of its causes has a path with so many.
    pub(super) fn shared(&self, causes: usize) -> f64 {
        self.shared[causes]
    }

    /// What a shared byte costs in a layer with other paths.
    pub(super) fn mixing(&self) -> f64 {
        self.mixing
    }
}

/// How likely a layer with so many causes is touched when one package changes out of so many, and
/// when a security update touches each with the smaller of its shares.
pub(super) fn likelihoods(causes: usize, packages: usize) -> [f64; 2] {
    let unhurt = (0..causes).fold(1.0, |unhurt, _| unhurt * (1.0 - SHARES[0]));
    [(number(causes) / number(packages.max(1))).min(1.0), 1.0 - unhurt]
}

/// How often anything is updated in a closure of so many packages.
pub(super) fn updates(packages: usize) -> f64 {
    APP + SINGLE * number(packages) + MANY * number(SHARES.len())
}

/// How often one of `count` applications changes that stand beside each other.
pub(super) fn app(count: usize) -> f64 {
    APP / number(count.next_power_of_two())
}

/// What a layer costs whatever is in it.
pub(super) fn overhead() -> f64 {
    OVERHEAD
}

/// What it costs to pull so many bytes at once, now.
pub(super) fn pulled_now(size: f64) -> f64 {
    NOW * size
}

/// A size as the model reckons with it.
#[expect(clippy::cast_precision_loss, reason = "what is expected is no exact figure")]
pub(crate) fn bytes(size: u64) -> f64 {
    size as f64
}

/// A size of the model's, as bytes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of sizes, never negative; `as` saturates"
)]
pub(crate) fn whole(size: f64) -> u64 {
    size as u64
}

fn number(count: usize) -> f64 {
    bytes(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_causes_touch_more_often_and_are_shared_less() {
        let model = Model::new(100, Scope::All);
        for causes in 0..Causes::MAX {
            assert!(model.touched(causes) < model.touched(causes + 1), "{causes}");
            assert!(model.shared(causes) > model.shared(causes + 1), "{causes}");
        }
        assert!(model.touched(0).abs() < f64::EPSILON);
    }
}
