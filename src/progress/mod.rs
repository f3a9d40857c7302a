//! What the library tells while it works; the command line decides how it looks.

mod bars;
mod plain;

use std::io::{self, Write};

pub use bars::Bars;
pub use plain::Plain;

/// Something that happened.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Event<'a> {
    /// The closure is known.
    Closure { paths: usize, nar_size: u64 },
    /// Layers begin to be made: how many, and about how many bytes there are to read.
    Layers { count: usize, bytes: u64 },
    /// The contents of an image that has no layers begin to be read.
    Contents { files: usize, bytes: u64 },
    /// Bytes of tar were made, or of contents read.
    LayerRead { bytes: u64 },
    /// A layer is complete, or an image without layers.
    LayerDone { size: u64 },
    /// The archive or layout begins to be written.
    Write { bytes: u64 },
    /// Bytes were written.
    Written { bytes: u64 },
    /// A blob begins to be sent.
    Upload { bytes: u64 },
    /// Bytes were sent.
    Sent { bytes: u64 },
    /// A blob begins again, so these bytes were sent in vain.
    Rewound { bytes: u64 },
    /// A blob is at the registry; whether it had to be sent.
    Uploaded { sent: bool },
    /// Something was made that the user can go on with.
    Made { text: &'a str },
    /// A sentence that the user should read, whatever the display.
    Warning { text: &'a str },
}

/// Where events go; called from many threads.
pub trait Progress: Sync {
    /// Takes one event.
    fn report(&self, event: Event<'_>);
}

/// Writes warnings to stderr, and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn report(&self, event: Event<'_>) {
        if let Event::Warning { text } = event {
            // A closed stderr must not stop the work.
            let _ = writeln!(io::stderr().lock(), "warning: {text}");
        }
    }
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: Event<'_>) {}
}

/// A number of bytes for people, in powers of 1000 as disks and registries count.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    // Tenths of the unit, so that no float is needed.
    let mut tenths = bytes / 100;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A number of things for people: `1 path`, `2 paths`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (2_150_900_000, "2.1 GB"),
        ] {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(human(u64::MAX), "18446.7 PB");
    }
}
