//! One HTTP request and its answer, with time limits, certificates and proxies; knows nothing of registries.
//!
//! Callers block. Underneath is the asynchronous client on a runtime of its own, and not the library's blocking one,
//! which loses an answer that comes while a body is still being sent. This file, `body` and the reading of answers in
//! it are the only places that know of futures.
//!
//! HTTP/1.1 only: over one HTTP/2 connection all uploads share a single flow-control window, which is several times
//! slower than a handful of connections once the line has latency (`BuildKit` turns HTTP/2 off for the same reason).
//! Redirects are not followed here, since the HTTP client would decide by itself where credentials go.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use reqwest::{Certificate, Client, Method, Url};
use tokio::runtime::{Builder, Handle, Runtime};

use super::body::{self, Content, Failure};
use super::origin::authority;
use super::retry::Deadline;
use crate::{Error, Secret};

/// A bundle of all public authorities has a quarter of a megabyte; what follows is not read.
const MAX_CERTIFICATES: u64 = 16 << 20;
const CONNECT: Duration = Duration::from_secs(30);
/// Connections only move bytes; one thread fills any line.
const RUNTIME_THREADS: usize = 1;
/// Bytes a second that a small answer comes with at least, on the worst of lines.
const LEAST_SPEED: u64 = 1024;
/// Idle connections are closed by servers and balancers after a minute or more; ours go first.
const KEEP_IDLE: Duration = Duration::from_secs(45);

/// A certificate authority to trust beside those of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A file in PEM form, with one certificate or several.
    File(PathBuf),
    /// The content of such a file.
    Pem(Vec<u8>),
}

/// What goes with a request.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing, and no word about its length: GET, HEAD.
    Absent,
    /// Bytes of this type; empty without a type for a POST that only opens something.
    Bytes(Option<&'a str>, &'a [u8]),
    Content(Content<'a>),
}

/// A request that can be sent any number of times.
pub(crate) struct Request<'a> {
    /// What the request is for, after "cannot" in a message.
    pub(crate) action: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a str>,
    /// `Content-Range`, as the distribution specification writes it: `FIRST-LAST`, nothing else.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) payload: Payload<'a>,
}

impl<'a> Request<'a> {
    /// A request without a body: GET, HEAD.
    pub(crate) fn bare(action: &'a str, method: Method, url: Url) -> Self {
        Self::with(action, method, url, Payload::Absent)
    }

    /// A request that carries `payload`.
    pub(crate) fn with(action: &'a str, method: Method, url: Url, payload: Payload<'a>) -> Self {
        Self { action, method, url, accept: None, range: None, payload }
    }
}

pub(crate) struct Transport {
    client: Client,
    runtime: Runtime,
    /// How long the far side may be silent.
    idle: Duration,
    deadline: Option<Deadline>,
}

/// An answer whose body has not been read yet.
pub(crate) struct Response {
    inner: reqwest::Response,
    /// What has been read of the body already.
    words: Vec<u8>,
    runtime: Handle,
    idle: Duration,
}

impl Response {
    /// Who answered.
    pub(crate) fn url(&self) -> &Url {
        self.inner.url()
    }

    pub(crate) fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    pub(crate) fn is_redirection(&self) -> bool {
        self.inner.status().is_redirection()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.inner.status().is_success()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Appends the body to `bytes`, and stops soon after `limit` bytes.
    pub(crate) fn read(&mut self, limit: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.append(&mut self.words);
        let begun = Instant::now();
        while bytes.len() as u64 <= limit {
            // A far side that sends a byte now and then is not silent, and yet would keep us for days.
            let patience = self.idle + Duration::from_secs(bytes.len() as u64 / LEAST_SPEED);
            if begun.elapsed() > patience {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let chunk = async { tokio::time::timeout(self.idle, self.inner.chunk()).await };
            match self.runtime.block_on(chunk) {
                Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(io::Error::other(error.without_url())),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        Ok(())
    }
}

impl Transport {
    /// `direct` ignores proxies.
    pub(crate) fn new(
        authorities: &[Authority],
        user_agent: &str,
        idle: Duration,
        deadline: Option<Deadline>,
        direct: bool,
    ) -> Result<Self, Error> {
        // Fails only if the program has chosen a provider itself, which is then the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let extra = certificates(authorities)?;
        let builder = || {
            let builder = Client::builder()
                .user_agent(user_agent)
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT)
                .pool_idle_timeout(KEEP_IDLE);
            // A proxy that is set for the world should not be asked for this machine.
            if direct { builder.no_proxy() } else { builder }
        };
        let client = builder().tls_certs_merge(extra.clone()).build().or_else(|error| {
            // A machine without any system certificates (a sandbox) can still use plain http and the extra ones.
            let own = builder().tls_certs_only(extra.clone()).build();
            own.map_err(|_| Error::Setup { source: io::Error::other(error.without_url()) })
        })?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("registry")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|source| Error::Setup { source })?;
        Ok(Self { client, runtime, idle, deadline })
    }

    /// Sends `request`; any answer is a success.
    pub(crate) fn send(
        &self,
        request: &Request<'_>,
        authorization: Option<&Secret>,
    ) -> Result<Response, Error> {
        let mut builder = self.client.request(request.method.clone(), request.url.clone());
        if let Some(accept) = request.accept {
            builder = builder.header(reqwest::header::ACCEPT, accept);
        }
        if let Some(Ok(mut value)) =
            authorization.map(|secret| HeaderValue::from_str(secret.expose()))
        {
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        if let Some((first, last)) = request.range {
            builder = builder.header(CONTENT_RANGE, format!("{first}-{last}"));
        }
        if self.deadline.is_some_and(|deadline| deadline.left().is_zero()) {
            return Err(explain(Failure::Deadline, request, self.deadline));
        }
        let runtime = self.runtime.handle();
        let result = match request.payload {
            Payload::Absent => self.wait(builder),
            Payload::Bytes(media_type, bytes) => {
                let builder = match media_type {
                    Some(media_type) => builder.header(CONTENT_TYPE, media_type),
                    None => builder,
                };
                // Said in so many words, since an empty body does not always get a length.
                self.wait(builder.header(CONTENT_LENGTH, bytes.len()).body(bytes.to_vec()))
            }
            Payload::Content(content) => {
                let builder = builder.header(CONTENT_TYPE, "application/octet-stream");
                let builder = builder.header(CONTENT_LENGTH, content.length);
                body::send(runtime, self.idle, self.deadline, builder, content)
            }
        };
        match result {
            Ok((inner, words)) => {
                Ok(Response { inner, words, runtime: runtime.clone(), idle: self.idle })
            }
            Err(failure) => Err(explain(failure, request, self.deadline)),
        }
    }

    fn wait(
        &self,
        builder: reqwest::RequestBuilder,
    ) -> Result<(reqwest::Response, Vec<u8>), Failure> {
        let left = self.deadline.map_or(Duration::MAX, |deadline| deadline.left());
        let answer = async { tokio::time::timeout(self.idle.min(left), builder.send()).await };
        match self.runtime.block_on(answer) {
            Ok(Ok(response)) => Ok((response, Vec::new())),
            Ok(Err(error)) => Err(Failure::Http(error)),
            Err(_) if left < self.idle => Err(Failure::Deadline),
            Err(_) => Err(Failure::Stalled(self.idle)),
        }
    }
}

fn explain(failure: Failure, request: &Request<'_>, deadline: Option<Deadline>) -> Error {
    let host = authority(&request.url);
    let action = request.action.to_owned();
    match failure {
        Failure::Read(digest, source) => Error::ReadBlob { digest, source },
        Failure::Deadline => {
            let limit = deadline.map_or(Duration::ZERO, |deadline| deadline.limit());
            Error::Deadline { limit, source: None }
        }
        Failure::Stalled(idle) => Error::Stalled { action, host, idle },
        Failure::Http(error) => match certificate_problem(&error) {
            Some(reason) => Error::Certificate { host, reason },
            None => Error::Connection {
                action,
                host,
                in_body: matches!(request.payload, Payload::Content(_)) && !error.is_connect(),
                source: error.without_url(),
            },
        },
    }
}

/// What the TLS library said about the server's certificate, if that is what failed.
fn certificate_problem(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(problem)) = error.downcast_ref() {
        return Some(problem.to_string());
    }
    // An `io::Error` gives the cause of its content as its own cause and so hides the content.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(content) => certificate_problem(content),
        None => error.source().and_then(certificate_problem),
    }
}

fn certificates(authorities: &[Authority]) -> Result<Vec<Certificate>, Error> {
    let mut all = Vec::new();
    for authority in authorities {
        let (name, pem) = match authority {
            Authority::File(path) => {
                let mut pem = Vec::new();
                File::open(path)
                    .and_then(|file| file.take(MAX_CERTIFICATES).read_to_end(&mut pem))
                    .map_err(|source| Error::ReadCertificate { path: path.clone(), source })?;
                (path.display().to_string(), pem)
            }
            Authority::Pem(pem) => ("the given bytes".to_owned(), pem.clone()),
        };
        match Certificate::from_pem_bundle(&pem) {
            Ok(found) if !found.is_empty() => all.extend(found),
            _ => return Err(Error::InvalidCertificate { name }),
        }
    }
    Ok(all)
}
