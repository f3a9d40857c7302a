//! What can be broken, and which requests it befalls.

use crate::wire::{Head, Reply};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `GET /v2/`: is there a registry, and what does it ask for?
    Probe,
    Token,
    /// Is the blob there?
    Head,
    /// Opens an upload, or mounts.
    Post,
    Patch,
    /// Of a blob, with or without a body.
    Put,
    /// How far has an upload come?
    Status,
    ManifestPut,
    ManifestGet,
    /// `ManifestGet` within a push, which may learn from it what is there already.
    Known,
    BlobGet,
    Other,
}

impl Kind {
    pub(crate) fn of(method: &str, path: &str) -> Self {
        if path == "/token" {
            return Self::Token;
        }
        let uploads = path.contains("/blobs/uploads/");
        match method {
            "GET" if path == "/v2/" => Self::Probe,
            "GET" | "HEAD" if path.contains("/manifests/") => Self::ManifestGet,
            "PUT" if path.contains("/manifests/") => Self::ManifestPut,
            "HEAD" if path.contains("/blobs/") => Self::Head,
            "GET" if uploads => Self::Status,
            "GET" if path.contains("/blobs/") => Self::BlobGet,
            "POST" if uploads => Self::Post,
            "PATCH" => Self::Patch,
            "PUT" => Self::Put,
            _ => Self::Other,
        }
    }
}

/// How an answer ends before it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// RST.
    Reset,
    /// FIN, as if that were all.
    Close,
    /// Silence.
    Hold,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// So many bytes of the body are taken, and passed on; then it ends.
    InBody(usize, End),
    /// The body is taken a byte at a time, for as long as the client lets us.
    SipBody,
    /// The registry gets the request, and the client so many bytes of its answer; then it ends.
    InAnswer(usize, End),
    /// The registry gets the request, and the client its answer a byte at a time, slowly, but all of it.
    SipAnswer,
    /// The body is taken; this is the answer, and the registry knows nothing of it.
    Answer(Reply),
    /// This is the answer, before the body was read; the connection ends.
    Early(Reply),
    /// The registry's answer is changed.
    Change(Change),
}

pub(crate) type Change = fn(&mut Reply, &Wishes);

/// What a change may need to know.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// The proxy.
    pub(crate) origin: String,
    /// Another host.
    pub(crate) elsewhere: String,
    /// The request.
    pub(crate) request: Head,
}

/// A fault and whom it befalls.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    /// Only requests with a body of at least so many bytes.
    pub(crate) body: u64,
    /// Only requests that look like this.
    pub(crate) only: fn(&Head) -> bool,
    /// So many of them pass first.
    pub(crate) skip: usize,
    /// So many are hit.
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

impl Rule {
    pub(crate) fn new(kind: Kind, times: usize, fault: Fault) -> Self {
        Self { kind, body: 0, only: |_| true, skip: 0, times, fault }
    }

    /// It is there to stay.
    pub(crate) fn always(kind: Kind, fault: Fault) -> Self {
        Self::new(kind, usize::MAX, fault)
    }

    /// It comes once, after so many of the kind have passed.
    pub(crate) fn after(skip: usize, kind: Kind, fault: Fault) -> Self {
        Self { skip, ..Self::new(kind, 1, fault) }
    }

    /// Requests with smaller bodies are spared.
    pub(crate) fn from(self, body: u64) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn only(self, only: fn(&Head) -> bool) -> Self {
        Self { only, ..self }
    }

    /// Whether it befalls this request; counts it.
    pub(crate) fn hits(&mut self, kind: Kind, head: &Head) -> bool {
        if kind != self.kind || head.length().unwrap_or(0) < self.body || !(self.only)(head) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.times == 0 {
            return false;
        }
        self.times -= 1;
        true
    }
}
