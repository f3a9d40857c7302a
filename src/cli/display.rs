//! What is shown while work goes on, and tables when it is done.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use closure2img::progress::{Bars, Plain, Progress, Quiet};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// Bars, redrawn in place
    Bar,
    /// Lines, for logs
    Plain,
    /// Nothing but warnings and errors
    None,
}

impl ProgressStyle {
    pub(crate) fn start(self) -> Box<dyn Progress> {
        match self {
            Self::Auto if std::io::stderr().is_terminal() => Box::new(Bars::default()),
            Self::Bar => Box::new(Bars::default()),
            Self::Auto | Self::Plain => Box::new(Plain::default()),
            Self::None => Box::new(Quiet),
        }
    }
}

/// The sum of sizes, which in a graph file may be anything.
pub(crate) fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// Writes rows to stdout with their columns aligned, numbers to the right.
pub(crate) fn table<const N: usize>(right: [bool; N], rows: &[[String; N]]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(aligned(right, rows).as_bytes())?;
    out.flush()
}

/// Rows as lines with their columns aligned.
pub(crate) fn aligned<const N: usize>(right: [bool; N], rows: &[[String; N]]) -> String {
    let mut text = String::new();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) =
                if right[column] { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.extend([before, cell, after, "  "]);
        }
        text.extend([line.trim_end(), "\n"]);
    }
    text
}

/// One line without control characters, as names from archives may hold any.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
