//! How a failure is told: the error, its causes, and what to do, each on a line of its own.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use closure2img::{closure, image, output};

/// A command line that clap cannot see is wrong.
#[derive(Debug)]
pub(crate) struct Usage {
    text: String,
    hint: Option<String>,
}

impl Usage {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Usage {}

/// Tells of `error` on stderr; the exit code says whose fault it was.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    // Whoever reads our output, such as `head`, has had enough.
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe)
        && !error.chain().any(<dyn std::error::Error>::is::<registry::Error>)
    {
        return ExitCode::SUCCESS;
    }
    // A closed stderr is no reason to fail in another way.
    let _ = tell(error);
    if error.chain().any(<dyn std::error::Error>::is::<Usage>) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

fn tell(error: &anyhow::Error) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let mut last = error.to_string();
    writeln!(err, "error: {last}")?;
    for cause in error.chain().skip(1) {
        // A transparent error says what its source says.
        let text = cause.to_string();
        if text != last {
            writeln!(err, "  caused by: {text}")?;
            last = text;
        }
    }
    let mut hints: Vec<String> = error.chain().flat_map(hints).collect();
    hints.dedup();
    if !hints.is_empty() {
        writeln!(err)?;
    }
    hints.iter().try_for_each(|hint| writeln!(err, "hint: {hint}"))
}

fn hints(cause: &(dyn std::error::Error + 'static)) -> Vec<String> {
    if let Some(error) = cause.downcast_ref::<closure::Error>() {
        error.hints()
    } else if let Some(error) = cause.downcast_ref::<image::Error>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<image::config::ConfigError>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<output::OutputError>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<registry::Error>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<Usage>() {
        error.hint.iter().cloned().collect()
    } else {
        Vec::new()
    }
}
