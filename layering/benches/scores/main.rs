//! What an update costs under each strategy: bytes of layers that were not in the image before.
//!
//! ```text
//! cargo bench -p layering --bench scores -- [--budgets 20,40,100] [--images a,b]
//!                                           [--strategies a,b] [--graphs DIR]
//! cargo bench -p layering --bench scores -- --previous [--max-waste 5] [--series DIR] …
//! cargo bench -p layering --bench scores -- --sizes 1000,20000,50000 [--budgets 100]
//! ```
//!
//! `--graphs` holds `IMAGE.base.json.gz` and `IMAGE.CHANGE.json.gz`. A row is a change, summed over
//! all images, in MB of NARs; "all images, stored" is what a registry holds for all base images
//! together. With `--previous`, the default planner knows the image before, and there is a row for
//! each series `IMAGE.r0.json.gz`, `IMAGE.r1.json.gz`, … of `--series`. `--sizes` is all that is
//! timed.

#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

mod check;
mod contenders;
mod graphs;
mod options;
mod previous;
mod sizes;
mod stateless;
mod table;

use std::error::Error;

use graphs::{Images, Series};
use options::{Mode, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let budgets = &options.budgets;
    let images = || Images::load(&options.graphs, &options.images);
    match &options.mode {
        Mode::Stateless => {
            println!("MB pulled after a change, all images together:\n");
            print!("{}", stateless::table(&options.contenders, &images()?, budgets));
        }
        Mode::Previous => {
            println!("MB pulled after a change, with the image before as memory:\n");
            let series = Series::load(&options.series)?;
            print!("{}", previous::table(&images()?, &series, budgets, options.max_waste));
        }
        Mode::Sizes(counts) => print!("{}", sizes::table(counts, budgets)),
    }
    Ok(())
}
