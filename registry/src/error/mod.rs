//! What can go wrong, in words that say what was got and what was expected.
//!
//! The advice is apart from the message ([`Error::hint`]), so that the program can print it where it likes. A message
//! never holds a secret: URLs are shown without userinfo and query, since upload sessions carry state there, and
//! what the far side wrote is bounded and stripped of control characters before it is repeated.

mod hint;
mod shown;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::CredentialsError;
use crate::{Digest, ReferenceError, Secret};
pub(crate) use shown::{printable, redacted};

/// Why something did not get to or from a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tag that the grammar does not allow.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The credentials for a registry are there but cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A certificate authority's file cannot be used.
    #[error("cannot read certificates from `{}`", path.display())]
    ReadCertificate {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that should be certificates are not.
    #[error("`{name}` holds no certificate in PEM form")]
    InvalidCertificate {
        /// The file, or what the caller called it.
        name: String,
    },
    /// A client certificate cannot be used.
    #[error("cannot use the client certificate `{}`: {reason}", path.display())]
    ClientCertificate {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server wants to know who we are by a certificate, and does not accept what it was shown.
    #[error("`{host}` did not accept the client certificate: {reason}")]
    NotIdentified {
        /// The server.
        host: String,
        /// What it said.
        reason: String,
    },
    /// A `registries.conf` cannot be read.
    #[error("cannot read mirrors from `{}`", path.display())]
    ReadMirrors {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A `registries.conf` is not what it should be.
    #[error("cannot use the mirrors in `{}`: {reason}", path.display())]
    InvalidMirrors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A `registries.conf` forbids to pull an image.
    #[error("`{reference}` may not be pulled: `registries.conf` blocks `{prefix}`")]
    Blocked {
        /// The image.
        reference: String,
        /// The entry.
        prefix: String,
    },
    /// The HTTP client cannot be set up, for example because of a malformed proxy variable.
    #[error("cannot set up the HTTP client")]
    Setup {
        /// What it said.
        source: io::Error,
    },
    /// The connection could not be made, or it broke.
    #[error("cannot {action}: the connection to `{host}` failed")]
    Connection {
        /// What was tried.
        action: String,
        /// The other end.
        host: String,
        /// Whether it broke while a body was being sent.
        in_body: bool,
        /// What `reqwest` said, without the URL.
        source: reqwest::Error,
    },
    /// The connection broke while an answer was being read.
    #[error("cannot {action}: the answer of `{host}` broke off")]
    Interrupted {
        /// What was tried.
        action: String,
        /// The other end.
        host: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of `{host}` is not trusted: {reason}")]
    Certificate {
        /// The server.
        host: String,
        /// What the verifier said.
        reason: String,
    },
    /// The other end accepts no more bytes, or never answers.
    #[error("cannot {action}: `{host}` was silent for {} seconds", idle.as_secs())]
    Stalled {
        /// What was tried.
        action: String,
        /// The other end.
        host: String,
        /// How long it was silent.
        idle: Duration,
    },
    /// The time that the user gave is over.
    #[error("gave up after {} s, as asked", limit.as_secs())]
    Deadline {
        /// The time.
        limit: Duration,
        /// What failed last.
        source: Option<Box<Self>>,
    },
    /// A blob cannot be read at this end.
    #[error("cannot read the content of `{digest}`")]
    ReadBlob {
        /// The blob.
        digest: Digest,
        /// What the reader said.
        source: io::Error,
    },
    /// The registry, or its token server, said no.
    #[error("cannot {action}: `{host}` answered {status}{}{words}", if words.is_empty() { "" } else { ": " })]
    Refused {
        /// What was tried.
        action: String,
        /// Who answered.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The far side's own words, made safe to print.
        words: String,
        /// What it said to programs.
        details: Box<Details>,
        /// How long to wait, as the far side wishes it.
        retry_after: Option<Duration>,
        /// Whether credentials were sent.
        authorized: bool,
    },
    /// The answer is none that a registry gives.
    #[error("cannot {action}: `{host}` answered {got}, expected {expected}")]
    NotARegistry {
        /// What was tried.
        action: String,
        /// Who answered.
        host: String,
        /// What was answered.
        got: String,
        /// What a registry answers.
        expected: &'static str,
    },
    /// Content is not what its name says.
    #[error("`{what}` at `{host}` has digest `{got}`, expected `{expected}`")]
    WrongDigest {
        /// The manifest or blob.
        what: String,
        /// The registry.
        host: String,
        /// Its digest, as computed or as the registry claims.
        got: String,
        /// The digest that was asked for or sent.
        expected: Digest,
    },
    /// A blob of the same digest but another size cannot be right.
    #[error("`{digest}` at `{host}` has {got} bytes, expected {expected}")]
    WrongSize {
        /// The blob.
        digest: Digest,
        /// The registry.
        host: String,
        /// Bytes there.
        got: u64,
        /// Bytes here.
        expected: u64,
    },
    /// An answer is larger than anything of its kind may be.
    #[error("`{what}` at `{host}` has more than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: String,
        /// The registry.
        host: String,
        /// The bound.
        limit: u64,
    },
    /// A URL that a server sent cannot be followed safely.
    #[error("`{host}` sent `{url}` as {what}, which is refused: {reason}")]
    UnsafeUrl {
        /// Who sent it.
        host: String,
        /// What it sent, without secrets.
        url: String,
        /// What it is for.
        what: &'static str,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// Received content cannot be written at this end.
    #[error("cannot write the content of `{digest}`")]
    WriteBlob {
        /// The blob.
        digest: Digest,
        /// What the writer said.
        source: io::Error,
    },
    /// A list goes on longer than any of its kind, or leads back to where it was.
    #[error("{what} at `{host}` does not end: {reason}")]
    Endless {
        /// The list.
        what: String,
        /// The registry.
        host: String,
        /// How that shows.
        reason: String,
    },
    /// The registry does not delete.
    #[error("cannot {action}: `{host}` does not delete{words}", words = if words.is_empty() { String::new() } else { format!(": {words}") })]
    Undeletable {
        /// What was tried.
        action: String,
        /// The registry.
        host: String,
        /// Its own words.
        words: String,
    },
    /// Others changed a list again and again while an entry was to be added.
    #[error("cannot add to `{what}` at `{host}`: others changed it {tries} times meanwhile")]
    Contended {
        /// The tag of the list.
        what: String,
        /// The registry.
        host: String,
        /// How often it was tried.
        tries: u32,
    },
    /// A blob, manifest or repository that was asked for does not exist.
    #[error("`{what}` does not exist at `{host}`")]
    Missing {
        /// What was asked for.
        what: String,
        /// The registry.
        host: String,
    },
}

/// The part of a refusal that programs can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Error codes, such as `MANIFEST_BLOB_UNKNOWN`.
    pub codes: Vec<String>,
    /// The blobs that the registry says it lacks.
    pub missing: Vec<Digest>,
}

impl Details {
    /// Whether one of the codes is that of a blob that the registry lacks.
    pub(crate) fn lacks_blobs(&self) -> bool {
        self.codes.iter().any(|code| code.ends_with("BLOB_UNKNOWN"))
    }
}

impl Error {
    /// The same without `secret`, should the far side have repeated it: a header's value, a password or a token.
    pub(crate) fn conceal(mut self, secret: &Secret) -> Self {
        if let Self::Refused { words, details, .. } = &mut self {
            for part in secret.parts() {
                *words = shown::without(words, &part);
                details.codes.retain(|code| !code.contains(&part));
            }
        }
        self
    }

    /// A refusal with this status and nothing else.
    #[cfg(test)]
    pub(crate) fn refused(status: u16) -> Self {
        Self::Refused {
            action: "push".to_owned(),
            host: "host:5000".to_owned(),
            status,
            words: String::new(),
            details: Box::default(),
            retry_after: None,
            authorized: false,
        }
    }

    /// The status of the answer, if the far side said no.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}
