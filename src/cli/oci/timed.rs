//! `--timings`: where time went, as a table for people or JSON for programs.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use closure2img::timings::{Spent, Stage, Stages, Timings, Watched};
use serde_json::{Map, Value, json};

use crate::cli::display::aligned;

/// Columns: thread, stages, sum.
const COLUMNS: usize = Stage::ALL.len() + 2;

/// The program being watched.
pub(super) struct Watch {
    start: Instant,
    timings: Timings,
    main: Watched,
}

impl Watch {
    /// Begins with this thread.
    pub(super) fn start() -> Self {
        let (start, timings) = (Instant::now(), Timings::default());
        let main = timings.watch("main", Stage::Plan);
        Self { start, timings, main }
    }

    /// What there is to tell, all threads but this one having ended.
    pub(super) fn end(self) -> Timed {
        drop(self.main);
        Timed { wall: self.start.elapsed(), threads: self.timings.threads() }
    }
}

/// Where time went.
pub(super) struct Timed {
    wall: Duration,
    threads: Vec<(String, Stages)>,
}

impl Timed {
    /// All threads together.
    fn all(&self) -> Stages {
        let mut all = Stages::default();
        self.threads.iter().for_each(|(_, stages)| all.add(stages));
        all
    }

    /// Prints the table.
    pub(super) fn tell(&self) -> io::Result<()> {
        let mut right = [true; COLUMNS];
        right[0] = false;
        let table = aligned(right, &self.rows());
        let wall = seconds(self.wall);
        write!(io::stderr().lock(), "seconds spent by each thread, of {wall} in all:\n{table}")
    }

    fn rows(&self) -> Vec<[String; COLUMNS]> {
        let all = self.all();
        let time = |name: &str, stages: &Stages| {
            row(name, |stage| time(stages.of(stage).time), seconds(stages.time()))
        };
        let mut rows = vec![row("", |stage| stage.name().into(), "sum".into())];
        rows.extend(self.threads.iter().map(|(name, stages)| time(name, stages)));
        rows.push(time("all", &all));
        rows.push(row("MB/s", |stage| speed(all.of(stage)), String::new()));
        rows
    }

    /// The same for programs: seconds, and bytes where they are counted.
    pub(super) fn json(&self) -> Value {
        let threads = self.threads.iter().map(|(name, stages)| {
            let mut thread = of_stages(stages);
            thread.insert("name".into(), json!(name));
            Value::from(thread)
        });
        json!({
            "wall": rounded(self.wall),
            "threads": threads.collect::<Vec<_>>(),
            "all": of_stages(&self.all()),
        })
    }
}

fn row(first: &str, cell: impl Fn(Stage) -> String, last: String) -> [String; COLUMNS] {
    let mut row = std::array::from_fn(|column| match column {
        0 => first.to_owned(),
        column => Stage::ALL.get(column - 1).map_or_else(String::new, |&stage| cell(stage)),
    });
    row[COLUMNS - 1] = last;
    row
}

fn of_stages(stages: &Stages) -> Map<String, Value> {
    let spent = Stage::ALL.map(|stage| {
        let Spent { time, bytes } = stages.of(stage);
        let value = match bytes {
            0 => json!({"seconds": rounded(time)}),
            bytes => json!({"seconds": rounded(time), "bytes": bytes}),
        };
        (stage.name().to_owned(), value)
    });
    spent.into_iter().collect()
}

/// To the microsecond.
fn rounded(time: Duration) -> f64 {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).as_secs_f64()
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// Nothing, of what was not done.
fn time(time: Duration) -> String {
    if time.is_zero() { "-".into() } else { seconds(time) }
}

/// Megabytes in each second that a thread worked, where bytes are counted.
fn speed(spent: Spent) -> String {
    let micros = spent.time.as_micros();
    if spent.bytes == 0 || micros == 0 {
        return String::new();
    }
    // Bytes in a microsecond are megabytes in a second.
    (u128::from(spent.bytes) / micros).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_stage() {
        let watch = Watch::start();
        closure2img::timings::time(Stage::Hash, || std::thread::sleep(Duration::from_millis(2)));
        let timed = watch.end();
        let rows = timed.rows();
        assert_eq!(rows[0][1..9], Stage::ALL.map(|stage| stage.name().to_owned()));
        assert_eq!([&*rows[1][0], &*rows[2][0], &*rows[3][0]], ["main 1", "all", "MB/s"]);
        assert_eq!(rows[1][1..], rows[2][1..]);
        assert_eq!(rows[1][2], "-", "nothing was read");
        assert_ne!(rows[1][4], "-");
        let hash = &timed.json()["threads"][0]["hash"]["seconds"];
        assert!(hash.as_f64().is_some_and(|hash| hash >= 0.002), "{hash}");
    }

    #[test]
    fn speed_is_in_megabytes() {
        let spent = Spent { time: Duration::from_secs(2), bytes: 500_000_000 };
        assert_eq!(speed(spent), "250");
        assert_eq!(speed(Spent::default()), "");
    }
}
