//! Progress as lines on stderr, for logs: one when a stage begins or ends, and one now and then.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Event, Progress, counted, human};

/// How long to keep quiet within a stage.
const PAUSE: Duration = Duration::from_secs(5);

/// Lines on stderr.
#[derive(Debug, Default)]
pub struct Plain(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    layers: (usize, usize),
    read: (u64, u64),
    written: (u64, u64),
    /// Bytes sent and to send.
    sent: (u64, u64),
    last: Option<Instant>,
}

impl State {
    /// A line for this event, if it is worth one now.
    fn line(&mut self, event: &Event<'_>) -> Option<String> {
        match *event {
            Event::Closure { paths, nar_size } => {
                Some(format!("closure: {}, {}", counted(paths, "path"), human(nar_size)))
            }
            Event::Layers { count, bytes } => {
                (self.layers, self.read) = ((0, count), (0, bytes));
                Some(format!("building {}", counted(count, "layer")))
            }
            Event::Contents { files, bytes } => {
                (self.layers, self.read) = ((0, 0), (0, bytes));
                Some(format!("reading {}, {}", counted(files, "file"), human(bytes)))
            }
            Event::LayerRead { bytes } => {
                self.read.0 += bytes;
                self.due()
                    .then(|| format!("built {} of {}", human(self.read.0), human(self.read.1)))
            }
            Event::LayerDone { .. } => {
                self.layers.0 += 1;
                (self.layers.0 == self.layers.1).then(|| {
                    format!("built {}, {}", counted(self.layers.1, "layer"), human(self.read.0))
                })
            }
            Event::Write { bytes } => {
                self.written = (0, bytes);
                Some(format!("writing {}", human(bytes)))
            }
            Event::Written { bytes } => {
                self.written.0 += bytes;
                self.due().then(|| {
                    format!("wrote {} of {}", human(self.written.0), human(self.written.1))
                })
            }
            Event::Upload { bytes } => {
                self.sent.1 += bytes;
                None
            }
            Event::Sent { bytes } => {
                self.sent.0 += bytes;
                self.due().then(|| format!("sent {} of {}", human(self.sent.0), human(self.sent.1)))
            }
            Event::Rewound { bytes } => {
                self.sent.0 = self.sent.0.saturating_sub(bytes);
                None
            }
            Event::Uploaded { .. } => None,
            Event::Made { text } => Some(text.into()),
            Event::Warning { text } => Some(format!("warning: {text}")),
        }
    }

    fn due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last.is_none_or(|last| now - last >= PAUSE);
        if due {
            // The first call of a quick run only starts the clock.
            let first = self.last.replace(now).is_none();
            return !first;
        }
        false
    }
}

impl Progress for Plain {
    fn report(&self, event: Event<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = state.line(&event) {
            // A closed stderr must not stop the work.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}
