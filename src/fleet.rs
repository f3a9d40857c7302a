//! Many graph files to one fleet plan, and what it is worth, with several threads.
//!
//! Each image is read and planned by itself, so that threads only share a counter, and results
//! stand in the order of the files.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use layering::fleet::{FleetError, FleetPlan, FleetReport, Image};
use layering::{Budget, ByHand, Memory, Plan, PlanError, Planner, StoreDir, Strategy, plan_around};

use crate::closure::{Error, Query};
use crate::parallel::in_parallel;

/// Images that are planned together.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What the paths of all of them are called.
    pub store_dir: StoreDir,
    /// In the order of their files, by whose names they go.
    pub images: Vec<Image>,
}

/// A fleet plan and what comes of it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What the images share.
    pub plan: FleetPlan,
    /// What they cost if each follows the plan.
    pub report: FleetReport,
    /// What they cost if each is planned alone.
    pub alone: Vec<(Strategy, FleetReport)>,
}

/// Which of many files it was.
#[derive(Debug)]
pub struct ReadFleetError {
    file: PathBuf,
    // In a box, since errors are large. The derived source would be the box, and not what is in it.
    source: Box<Error>,
}

impl fmt::Display for ReadFleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reading `{}`", self.file.display())
    }
}

impl std::error::Error for ReadFleetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// Why a fleet has no plan.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PlanFleetError {
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl PlanFleetError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fleet(error) => Some(error.hint().into()),
            Self::Plan(error) => error.hint(),
        }
    }
}

impl Fleet {
    /// Reads `files`, each as `query` says of one.
    pub fn read(
        files: &[PathBuf],
        threads: NonZeroUsize,
        query: impl Fn(PathBuf) -> Query + Sync,
    ) -> Result<Self, ReadFleetError> {
        let read = |file: &PathBuf| {
            let closure = query(file.clone()).closure()?;
            let image = Image { name: file.display().to_string(), graph: closure.graph()? };
            Ok::<_, Error>((closure.store_dir().clone(), image))
        };
        let mut store: Option<StoreDir> = None;
        let mut images = Vec::with_capacity(files.len());
        for (file, read) in files.iter().zip(each(files, threads, read)) {
            let failed = |source| ReadFleetError { file: file.clone(), source: Box::new(source) };
            let (dir, image) = read.map_err(failed)?;
            let expected = store.get_or_insert_with(|| dir.clone());
            if *expected != dir {
                let (got, expected) = (dir.to_string(), expected.to_string());
                return Err(failed(Error::OtherStore { file: file.clone(), got, expected }));
            }
            images.push(image);
        }
        Ok(Self { store_dir: store.unwrap_or_default(), images })
    }

    /// Plans the images together, and alone to compare.
    pub fn plan(&self, budget: Budget, threads: NonZeroUsize) -> Result<Planned, PlanFleetError> {
        let plan = FleetPlan::new(&self.images, budget)?;
        let report = |planner: &Planner| {
            let by_hand = ByHand::default();
            let plan = |image: &Image| {
                plan_around(&image.graph, budget, &by_hand, &Memory::default(), planner)
            };
            let plans = each(&self.images, threads, plan);
            let plans: Vec<Plan> = plans.into_iter().collect::<Result<_, _>>()?;
            Ok::<_, PlanFleetError>(FleetReport::new(&self.images, &plans))
        };
        let alone = |strategy| Ok((strategy, report(&Planner::Strategy(strategy))?));
        Ok(Planned {
            report: report(&Planner::Fleet(plan.clone()))?,
            alone: Strategy::ALL.into_iter().map(alone).collect::<Result<_, PlanFleetError>>()?,
            plan,
        })
    }
}

/// What `work` makes of each of `items`, in their order.
fn each<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let order: Vec<usize> = (0..items.len()).collect();
    let Ok(done) =
        in_parallel(&order, threads.get(), |index| Ok::<_, Infallible>(work(&items[index])));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [1, 3, 2000] {
            let doubled = each(&items, NonZeroUsize::new(threads).unwrap(), |item| 2 * item);
            assert!(doubled.into_iter().eq((0..1000).map(|item| 2 * item)), "{threads}");
        }
    }
}
