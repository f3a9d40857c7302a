//! What a program that ran left behind, with checks that show all of it when they fail.

use std::process::{Command, Output};

/// Exit code and output of a program that has ended.
#[derive(Clone)]
pub struct Outcome {
    what: String,
    /// None if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Runs the command to its end. Standard input is empty unless the command says otherwise.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        match command.output() {
            Ok(Output { status, stdout, stderr }) => {
                Self { what, code: status.code(), stdout, stderr }
            }
            Err(error) => panic!("cannot start {what}: {error}"),
        }
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// Asserts an exit code.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert!(self.code == Some(expected), "expected exit code {expected}\n{}", self.report());
        self
    }

    /// Asserts any exit code but 0.
    #[track_caller]
    pub fn failure(self) -> Self {
        assert!(self.code != Some(0), "expected a failure\n{}", self.report());
        self
    }

    /// Asserts that standard output is exactly this text.
    #[track_caller]
    pub fn prints(self, expected: &str) -> Self {
        assert!(
            self.stdout == expected.as_bytes(),
            "expected stdout {expected:?}\n{}",
            self.report()
        );
        self
    }

    /// Asserts that standard error contains this text.
    #[track_caller]
    pub fn complains(self, expected: &str) -> Self {
        assert!(
            self.errors().contains(expected),
            "expected {expected:?} on stderr\n{}",
            self.report()
        );
        self
    }

    /// Standard output as text, without the last newline.
    #[track_caller]
    pub fn text(&self) -> &str {
        let Ok(text) = std::str::from_utf8(&self.stdout) else {
            panic!("stdout is not UTF-8\n{}", self.report())
        };
        text.strip_suffix('\n').unwrap_or(text)
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{}", self.report()))
    }

    fn report(&self) -> String {
        let stdout = String::from_utf8_lossy(&self.stdout);
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        format!(
            "{}\nended with {code}\n--- stdout\n{stdout}\n--- stderr\n{}",
            self.what,
            self.errors()
        )
    }
}
