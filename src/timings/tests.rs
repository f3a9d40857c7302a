//! Times add up.

use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::*;

#[test]
fn threads_have_names_that_are_used_again() {
    let timings = Timings::default();
    let watched = timings.watch("main", Stage::Plan);
    let origin = origin();
    thread::scope(|scope| {
        for _ in 0..2 {
            let work = || {
                let _watched = origin.watch("worker");
                time(Stage::Read, || count(Stage::Read, 5));
            };
            scope.spawn(work).join().unwrap();
        }
    });
    assert_eq!(timings.threads().len(), 1, "one after the other is one");
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _watched = origin.watch_in("hasher", Stage::Wait);
                both.wait();
            });
        }
    });
    drop(watched);
    let threads = timings.threads();
    let names: Vec<&str> = threads.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["hasher 1", "hasher 2", "main 1", "worker 1"]);
    assert_eq!(threads[3].1.of(Stage::Read).bytes, 10);
}

#[test]
fn nobody_watches_by_default() {
    assert!(origin().0.is_none());
    assert!(origin().watch("worker").is_none());
    assert_eq!(time(Stage::Hash, || 7), 7);
}

#[test]
fn a_panic_ends_its_stage() {
    let timings = Timings::default();
    let watched = timings.watch("main", Stage::Plan);
    let panicked = std::panic::catch_unwind(|| time(Stage::Hash, || panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(switch(Stage::Wait), Some(Stage::Plan));
    drop(watched);
}

proptest! {
    #[test]
    fn the_stages_of_a_thread_add_up_to_its_life(
        steps in prop::collection::vec((0..Stage::ALL.len(), 0..1000_u64), 0..50),
    ) {
        let start = Instant::now();
        let (mut clock, mut now) = (Clock::new(Stage::Plan, start), start);
        let (mut expected, mut stage) = ([0; Stage::ALL.len()], Stage::Plan);
        for (next, millis) in steps {
            now += Duration::from_millis(millis);
            expected[stage as usize] += millis;
            prop_assert_eq!(clock.switch(Stage::ALL[next], now), stage);
            stage = Stage::ALL[next];
        }
        prop_assert_eq!(clock.spent.time(), now - start);
        for stage in Stage::ALL {
            let millis = Duration::from_millis(expected[stage as usize]);
            prop_assert_eq!(clock.spent.of(stage).time, millis);
        }
    }
}
