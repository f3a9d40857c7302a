//! One HTTP request and its answer, with time limits, certificates and proxies; knows nothing of registries.
//!
//! HTTP/1.1 only: over one HTTP/2 connection all uploads share a single flow-control window, which is several times
//! slower than a handful of connections once the line has latency (`BuildKit` turns HTTP/2 off for the same reason).
//! Redirects are not followed here, since the HTTP client would decide by itself where credentials go.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Method, Url};

use crate::body::{self, Failure, Meter, STALL};
use crate::origin::authority;
use crate::{Blob, Error, Secret};

const CONNECT: Duration = Duration::from_secs(30);
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
    Blob(&'a dyn Blob, &'a Meter<'a>),
}

/// A request that can be sent any number of times.
pub(crate) struct Request<'a> {
    /// What the request is for, after "cannot" in a message.
    pub(crate) action: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a str>,
    pub(crate) payload: Payload<'a>,
}

pub(crate) struct Transport {
    client: Client,
}

impl Transport {
    /// `direct` ignores proxies.
    pub(crate) fn new(
        authorities: &[Authority],
        user_agent: &str,
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
                // In the blocking client this limits the wait for the answer's head and then each read of its body.
                .timeout(STALL)
                .pool_idle_timeout(KEEP_IDLE);
            // A proxy that is set for the world should not be asked for this machine.
            if direct { builder.no_proxy() } else { builder }
        };
        let client = builder().tls_certs_merge(extra.clone()).build().or_else(|error| {
            // A machine without any system certificates (a sandbox) can still use plain http and the extra ones.
            builder()
                .tls_certs_only(extra.clone())
                .build()
                .map_err(|_| Error::Setup { source: error.without_url() })
        })?;
        Ok(Self { client })
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
        let result = match request.payload {
            Payload::Absent => builder.send().map_err(Failure::Http),
            Payload::Bytes(media_type, bytes) => {
                let builder = match media_type {
                    Some(media_type) => builder.header(CONTENT_TYPE, media_type),
                    None => builder,
                };
                builder.body(bytes.to_vec()).send().map_err(Failure::Http)
            }
            Payload::Blob(blob, meter) => {
                body::send(builder.header(CONTENT_TYPE, "application/octet-stream"), blob, meter)
            }
        };
        result.map_err(|failure| explain(failure, request))
    }
}

fn explain(failure: Failure, request: &Request<'_>) -> Error {
    let host = authority(&request.url);
    let action = request.action.to_owned();
    match failure {
        Failure::Read(digest, source) => Error::ReadBlob { digest, source },
        Failure::Stalled(idle) => Error::Stalled { action, host, idle },
        Failure::Http(error) => match certificate_problem(&error) {
            Some(reason) => Error::Certificate { host, reason },
            None => Error::Connection {
                action,
                host,
                in_body: matches!(request.payload, Payload::Blob(..)) && !error.is_connect(),
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
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(content) => certificate_problem(content),
        None => error.source().and_then(certificate_problem),
    }
}

fn certificates(authorities: &[Authority]) -> Result<Vec<Certificate>, Error> {
    let mut all = Vec::new();
    for authority in authorities {
        let (name, pem) = match authority {
            Authority::File(path) => {
                let read = std::fs::read(path);
                let pem =
                    read.map_err(|source| Error::ReadCertificate { path: path.clone(), source })?;
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
