//! Progress as bars on a terminal: one for building, one for writing, one for sending.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::OnceLock;

use super::{Event, Progress, counted};

/// Bars on stderr.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    build: OnceLock<ProgressBar>,
    write: OnceLock<ProgressBar>,
    send: OnceLock<ProgressBar>,
}

impl Default for Bars {
    fn default() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { all, build: OnceLock::new(), write: OnceLock::new(), send: OnceLock::new() }
    }
}

impl Bars {
    fn bar<'a>(&self, cell: &'a OnceLock<ProgressBar>, what: &'static str) -> &'a ProgressBar {
        cell.get_or_init(|| {
            let style = ProgressStyle::with_template(
                "{prefix:>8} [{bar:30}] {decimal_bytes} of {decimal_total_bytes} {decimal_bytes_per_sec} {msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_prefix(what);
            self.all.add(bar)
        })
    }
}

impl Progress for Bars {
    fn report(&self, event: Event<'_>) {
        let build = || self.bar(&self.build, "building");
        let write = || self.bar(&self.write, "writing");
        let send = || self.bar(&self.send, "sending");
        match event {
            Event::Closure { paths, .. } => build().set_message(counted(paths, "path")),
            Event::Layers { count, bytes } => {
                // Several images are made one after another.
                build().inc_length(bytes);
                build().set_message(counted(count, "layer"));
            }
            Event::Contents { files, bytes } => {
                build().inc_length(bytes);
                build().set_message(counted(files, "file"));
            }
            Event::LayerRead { bytes } => build().inc(bytes),
            // Headers and padding come on top of what the store counts.
            Event::LayerDone { .. } => {
                build().set_length(build().length().unwrap_or(0).max(build().position()));
            }
            Event::Write { bytes } => write().set_length(bytes),
            Event::Written { bytes } => write().inc(bytes),
            Event::Upload { bytes } => send().inc_length(bytes),
            Event::Sent { bytes } => send().inc(bytes),
            Event::Rewound { bytes } => send().dec(bytes),
            Event::Uploaded { sent } => {
                if !sent {
                    send().set_message("some were there already");
                }
            }
            Event::Made { text } => {
                // Printing above the bars fails only when stderr is gone.
                let _ = self.all.println(text);
            }
            Event::Warning { text } => {
                let _ = self.all.println(format!("warning: {text}"));
            }
        }
    }
}
