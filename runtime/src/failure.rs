//! Why something could not be done, in words, with the exit code that says so.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use rustix::io::Errno;

/// The exit code of type2-runtime when the application could not be started.
pub const CANNOT_RUN: i32 = 127;

/// A reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the program ends with.
    pub code: i32,
    text: String,
}

impl Failure {
    /// One that ends the program with [`CANNOT_RUN`].
    pub fn new(text: impl Into<String>) -> Self {
        Self { code: CANNOT_RUN, text: text.into() }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// What was being done when something went wrong.
pub trait Doing<T> {
    /// Says so: "cannot `what`: reason".
    fn doing(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|errno| Failure::new(format!("cannot {what}: {}", Reason(errno))))
    }
}

impl<T> Doing<T> for Result<T, squashfs::read::Error> {
    fn doing(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| match error {
            squashfs::read::Error::Io(number) => {
                Failure::new(format!("cannot {what}: {}", Reason(Errno::from_raw_os_error(number))))
            }
            error => Failure::new(format!("cannot {what}: {error}")),
        })
    }
}

/// A path or any other bytes, as text for people.
pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_string()
}

/// An error number in words: those that people meet here.
#[derive(Clone, Copy, Debug)]
pub struct Reason(pub Errno);

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            Errno::PERM => "operation not permitted",
            Errno::NOENT => "no such file or directory",
            Errno::IO => "input/output error",
            Errno::NOEXEC => "not a program for this machine",
            Errno::AGAIN => "resource temporarily unavailable",
            Errno::NOMEM => "out of memory",
            Errno::ACCESS => "permission denied",
            Errno::BUSY => "device or resource busy",
            Errno::EXIST => "file exists",
            Errno::NODEV => "no such device",
            Errno::NXIO => "no such device or address",
            Errno::NOTDIR => "not a directory",
            Errno::ISDIR => "is a directory",
            Errno::INVAL => "invalid argument",
            Errno::MFILE | Errno::NFILE => "too many open files",
            Errno::NOSPC => "no space left, or as many as the system allows",
            Errno::ROFS => "read-only file system",
            Errno::LOOP => "a symbolic link where none may be",
            Errno::NAMETOOLONG => "file name too long",
            Errno::NOSYS => "not known to this kernel",
            Errno::DQUOT => "disk quota exceeded",
            Errno::TOOBIG => "argument list too long",
            errno => return write!(out, "error {} of the system", errno.raw_os_error()),
        })
    }
}
