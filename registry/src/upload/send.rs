//! Sends one blob, and does not give up while there is another way.
//!
//! After a failure the registry is asked how much it has, and the upload goes on from there: after a broken connection,
//! after a token that expired, and after a run that was killed. What the registry claims is not trusted: the digest at
//! the end decides, and if it is wrong the blob is sent again from its first byte, once. A refusal leads to the next
//! [`Method`]; the one that works is remembered for the registry.

use std::cell::Cell;
use std::mem;

use super::method::{FIRST_CHUNK, Method};
use super::session::{Opened, Session};
use crate::wire::body::{Content, Meter};
use crate::wire::retry::is_transient;
use crate::{Blob, Client, Digest, Error, Progress};

/// From this size on, a body counts as one of those that share the line.
const LARGE: u64 = 256 << 10;
/// How often a blob is begun anew because the registry lost the session or ended with another digest.
const RESTARTS: u32 = 2;
/// For lines on which no large body arrives.
const CAREFUL: Method = Method::Chunks { size: FIRST_CHUNK };
/// Answers to a POST with a body by registries that know only the empty one.
const UNSUPPORTED: [u16; 7] = [400, 404, 405, 411, 413, 415, 501];

/// A session that is there before anything is sent.
pub(super) enum Begun {
    /// Opened just now, by asking for a mount.
    Fresh(Session),
    /// Of another run.
    Earlier(Session),
}

pub(super) struct Sending<'a> {
    client: &'a Client,
    blob: &'a dyn Blob,
    digest: Digest,
    size: u64,
    action: String,
    meter: Meter<'a>,
    progress: &'a dyn Progress,
    method: Method,
    /// The method that this registry is known to take.
    usual: Method,
    session: Option<Session>,
    /// Whether the session is fresh, so that nobody need ask how far it is.
    fresh: bool,
    /// Whether the registry has not yet refused to go on where a session broke.
    resumable: bool,
    /// Whether the POST that opens an upload may have the blob with it.
    posts: bool,
    /// The length of the body that was sent last.
    body: Cell<u64>,
    /// Bytes that the registry has.
    offset: Cell<u64>,
    restarts: u32,
    /// Connections that broke within a body, with nothing kept.
    lost: u32,
    /// What the registry said first against a method.
    refusal: Option<Error>,
    refusals: u32,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        client: &'a Client,
        blob: &'a dyn Blob,
        session: Option<Begun>,
        progress: &'a dyn Progress,
    ) -> Self {
        let digest = blob.digest();
        let usual = client.host.habits().method.unwrap_or(Method::Whole);
        Self {
            client,
            blob,
            digest,
            size: blob.size(),
            action: format!("upload `{digest}`"),
            meter: Meter::new(digest, progress),
            progress,
            method: usual,
            usual,
            fresh: matches!(session, Some(Begun::Fresh(_))),
            session: session.map(|(Begun::Fresh(session) | Begun::Earlier(session))| session),
            resumable: true,
            posts: true,
            body: Cell::new(0),
            offset: Cell::new(0),
            restarts: 0,
            lost: 0,
            refusal: None,
            refusals: 0,
        }
    }

    /// Sends the blob, however often that takes.
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.leave_word();
        let offset = Cell::new(0);
        let policy = self.client.host.retry;
        let progress = self.progress;
        policy.run_advancing(
            progress,
            || offset.get(),
            || {
                let result = self.attempt();
                offset.set(self.offset.get());
                result
            },
        )?;
        self.client.forget_upload(self.blob);
        let method = self.method;
        if method != self.usual {
            self.client.host.learn(|habits| habits.method = Some(method));
        }
        Ok(())
    }

    /// Until it is done, or only time can help, or nothing can.
    fn attempt(&mut self) -> Result<(), Error> {
        loop {
            let Err(error) = self.send() else { return Ok(()) };
            if !self.may_go_on(&error) {
                // If the other methods do not help either, then it was not the method: what was said first tells.
                let first = if is_transient(&error) { None } else { self.refusal.take() };
                if first.as_ref().is_some_and(is_transient) {
                    self.method = self.usual;
                    self.restart();
                }
                return Err(first.unwrap_or(error));
            }
            if self.refusal.is_none() && matches!(error, Error::Refused { .. }) {
                self.refusal = Some(error);
            }
        }
    }

    /// Whether another way is worth trying at once.
    fn may_go_on(&mut self, error: &Error) -> bool {
        self.fresh = false;
        if self.method == Method::Whole && self.offset.get() > 0 {
            // What was refused is going on, not the method.
            if matches!(error, Error::Refused { .. }) && !is_transient(error) {
                self.resumable = false;
                self.restart();
                return true;
            }
            return false;
        }
        let least = self.session.as_ref().map_or(0, |session| session.least);
        if let Some(next) =
            self.method.after(error, self.size, self.body.get(), least, self.refusals)
        {
            let smaller =
                matches!((self.method, next), (Method::Chunks { .. }, Method::Chunks { .. }));
            self.method = next;
            self.refusals = 0;
            // The pieces before the one that was too large are still there.
            if !smaller {
                self.restart();
            }
            return true;
        }
        match error {
            Error::Refused { status: 404 | 500, .. } => self.refusals += 1,
            Error::Connection { in_body: true, .. } | Error::Stalled { .. } => self.lost += 1,
            _ => {}
        }
        // The session is gone, or what is in it is not what it should be.
        let spoilt = match error {
            Error::Refused { status: status @ (400 | 404 | 410 | 416), details, .. } => {
                let codes = &details.codes;
                let code = |prefixes: &[&str]| {
                    codes.iter().any(|code| prefixes.iter().any(|prefix| code.starts_with(prefix)))
                };
                (codes.is_empty() && *status != 400)
                    || code(&["BLOB_UPLOAD", "DIGEST", "SIZE", "RANGE", "UNKNOWN", "BLOB_UNKNOWN"])
            }
            _ => false,
        };
        if spoilt && self.restarts < RESTARTS && self.session.is_some() {
            self.restarts += 1;
            self.restart();
            return true;
        }
        false
    }

    fn restart(&mut self) {
        self.session = None;
        self.offset.set(0);
        self.client.forget_upload(self.blob);
    }

    /// For the case that this program is killed.
    fn leave_word(&self) {
        if let Some(session) = &self.session {
            self.client.keep_upload(self.blob, session);
        }
    }

    fn send(&mut self) -> Result<(), Error> {
        let Some(mut session) = self.ready()? else { return Ok(()) };
        let result = self.fill(&mut session);
        // Its newest location is where a later attempt goes on.
        self.session = Some(session);
        result
    }

    /// A session, and `offset` at what it has; `None` if the blob is in the repository.
    fn ready(&mut self) -> Result<Option<Session>, Error> {
        let worth_asking = self.fresh || (self.resumable && self.size >= LARGE);
        if let Some(mut session) = self.session.take().filter(|_| worth_asking) {
            if self.fresh {
                return Ok(Some(session));
            }
            let url = session.url.clone();
            let stored = match self.client.ask_session(&mut session, &self.action) {
                Ok(stored) => stored,
                Err(error) => {
                    session.url = url;
                    self.session = Some(session);
                    return Err(error);
                }
            };
            // The first byte is as good as none, since many registries cannot say "none".
            if let Some(stored) = stored.filter(|stored| (2..=self.size).contains(stored)) {
                self.offset.set(stored);
                return Ok(Some(session));
            }
        }
        self.offset.set(0);
        if self.lost > 1 && self.size > FIRST_CHUNK {
            // Nothing is kept of what is sent at once, and it does not get through. That is the line's fault, so it is
            // not remembered of the registry.
            (self.method, self.usual) = (CAREFUL, CAREFUL);
        }
        let Some(session) = self.open()? else { return Ok(None) };
        self.fresh = true;
        self.session = Some(session);
        self.leave_word();
        Ok(self.session.take())
    }

    fn open(&mut self) -> Result<Option<Session>, Error> {
        let host = &self.client.host;
        if mem::take(&mut self.posts) && host.may_post(self.size) {
            let result =
                self.client.post_whole(self.blob, self.content(0, self.size), &self.action);
            host.end_trial(match &result {
                Ok(Opened::There) => Some(true),
                Ok(Opened::Session(_)) => Some(false),
                Err(error) => {
                    error.status().filter(|status| UNSUPPORTED.contains(status)).map(|_| false)
                }
            });
            match result {
                Ok(Opened::There) => return Ok(None),
                Ok(Opened::Session(session)) => return Ok(Some(session)),
                Err(error)
                    if error.status().is_some_and(|status| UNSUPPORTED.contains(&status)) => {}
                Err(error) => return Err(error),
            }
        }
        self.client.open_session(&self.action).map(Some)
    }

    fn fill(&mut self, session: &mut Session) -> Result<(), Error> {
        let _turn = (self.size >= LARGE).then(|| self.client.host.bodies.take());
        let (offset, size) = (self.offset.get(), self.size);
        match self.method {
            Method::Whole if offset == 0 => {
                let whole = self.content(0, size);
                return self.client.close_session(session, Some(whole), &self.digest, &self.action);
            }
            Method::Chunks { size: chunk } => self.chunks(session, chunk.max(session.least))?,
            Method::Whole | Method::Stream if offset == size && size > 0 => {}
            Method::Whole | Method::Stream => {
                let rest = self.content(offset, size - offset);
                self.client.patch_session(session, rest, offset > 0, &self.action)?;
                self.offset.set(size);
            }
        }
        self.body.set(0);
        self.client.close_session(session, None, &self.digest, &self.action)
    }

    fn chunks(&self, session: &mut Session, chunk: u64) -> Result<(), Error> {
        while self.offset.get() < self.size {
            let before = self.offset.get();
            let length = chunk.min(self.size - before);
            let piece = self.content(before, length);
            let told = self.client.patch_session(session, piece, true, &self.action)?;
            self.client.keep_upload(self.blob, session);
            // A part of the piece may have been kept. Some registries say the end of an earlier piece for ever (ECR),
            // or count one too many: that is no news, unless they say it again when asked. In the end, the digest
            // decides.
            let part = told.filter(|told| before < *told && *told < before + length);
            let confirmed = match part {
                Some(_) => self.client.ask_session(session, &self.action)? == part,
                None => false,
            };
            self.offset.set(part.filter(|_| confirmed).unwrap_or(before + length));
        }
        Ok(())
    }

    fn content(&self, from: u64, length: u64) -> Content<'_> {
        self.body.set(length);
        Content { blob: self.blob, from, length, meter: &self.meter }
    }
}
