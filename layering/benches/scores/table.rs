//! Tables as Markdown, aligned so that a terminal shows them as well.

use std::fmt;

/// Rows of cells; the first column but one is text, the others are numbers.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        Self { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    fn line(&self, row: &[String]) -> String {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = self.rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
            if column == 1 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") }
        });
        format!("|{}", cells.collect::<String>())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.rows.iter().enumerate() {
            writeln!(f, "{}", self.line(row))?;
            if index == 0 {
                let rules = (0..row.len()).map(|column| if column == 1 { "---|" } else { "---:|" });
                writeln!(f, "|{}", rules.collect::<String>())?;
            }
        }
        Ok(())
    }
}

/// As text, since the sums are exact and a float need not be.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `bytes` in parts of `of`, rounded up: a bound that is broken is seen to be.
pub(crate) fn ratio(bytes: u64, of: u64) -> String {
    if of == 0 {
        return "-".into();
    }
    let thousandths = (u128::from(bytes) * 1000).div_ceil(u128::from(of));
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}
