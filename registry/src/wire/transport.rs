//! One HTTP request and its answer, with time limits, certificates and proxies; knows nothing of registries.
//!
//! Callers block. Underneath is the asynchronous client on a runtime of its own, and not the library's blocking one,
//! which loses an answer that comes while a body is still being sent. This file, `body` and the reading of answers in
//! it are the only places that know of futures.
//!
//! HTTP/1.1 only: over one HTTP/2 connection all uploads share a single flow-control window, which is several times
//! slower than a handful of connections once the line has latency (`BuildKit` turns HTTP/2 off for the same reason).
//! Redirects are not followed here, since the HTTP client would decide by itself where credentials go.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, IF_MATCH,
    IF_NONE_MATCH, RANGE,
};
use reqwest::{Client, Url};
use rustls::AlertDescription;
use tokio::runtime::{Builder, Runtime};

use super::body::{self, Failure};
use super::message::{Payload, Request, Response};
use super::origin::{authority, is_loopback};
use super::retry::Deadline;
use crate::auth::lock;
use crate::trust::Trust;
use crate::{ClientOptions, Error, Secret};

const CONNECT: Duration = Duration::from_secs(30);
/// Connections only move bytes; one thread fills any line.
const RUNTIME_THREADS: usize = 1;
/// Idle connections are closed by servers and balancers after a minute or more; ours go first.
const KEEP_IDLE: Duration = Duration::from_secs(45);

pub(crate) struct Transport {
    user_agent: String,
    /// The registry's host, without its port.
    host: String,
    trust: Trust,
    clients: Mutex<BTreeMap<Route, Client>>,
    runtime: Runtime,
    /// How long the far side may be silent.
    idle: Duration,
    deadline: Option<Deadline>,
}

/// What makes two hosts need clients of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    /// To the registry's own host, on whatever port, or to another that it leads to.
    own: bool,
    /// To this machine, for which no proxy that is set for the world should be asked.
    direct: bool,
}

impl Transport {
    /// For the registry of this name and those that it leads to.
    pub(crate) fn new(name: &str, options: &ClientOptions) -> Result<Self, Error> {
        // Fails only if the program has chosen a provider itself, which is then the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("registry")
            .enable_all()
            .build();
        let transport = Self {
            user_agent: options.user_agent.clone(),
            host: host_of(name),
            trust: Trust::of(name, options)?,
            clients: Mutex::default(),
            runtime: runtime.map_err(|source| Error::Setup { source })?,
            idle: options.idle,
            deadline: options.deadline,
        };
        // What is wrong with certificates is told before anything is sent.
        transport.client(Route { own: true, direct: is_loopback(name) })?;
        Ok(transport)
    }

    /// The client for this way, made when it is first needed: system certificates take a while to read.
    fn client(&self, route: Route) -> Result<Client, Error> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&route) {
            return Ok(client.clone());
        }
        let client = self.build(route)?;
        clients.insert(route, client.clone());
        Ok(client)
    }

    fn build(&self, route: Route) -> Result<Client, Error> {
        let Trust { roots, extra, identity, insecure } = &self.trust;
        let identity = identity.as_ref().filter(|_| route.own);
        let common = || {
            let builder = Client::builder()
                .user_agent(&self.user_agent)
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT)
                .pool_idle_timeout(KEEP_IDLE)
                .tls_danger_accept_invalid_certs(*insecure && route.own);
            if route.direct { builder.no_proxy() } else { builder }
        };
        let identified = || match identity {
            Some(identity) => common().identity(identity.inner.clone()),
            None => common(),
        };
        let own_roots = roots.iter().flatten().chain(extra).cloned();
        let only =
            |builder: reqwest::ClientBuilder| builder.tls_certs_only(own_roots.clone()).build();
        let client = match roots {
            Some(_) => only(identified()),
            // A machine without any system certificates (a sandbox) can still use plain http and the extra ones.
            None => {
                identified().tls_certs_merge(extra.clone()).build().or_else(|_| only(identified()))
            }
        };
        client.map_err(|error| match identity {
            Some(identity) if only(common()).is_ok() => Error::ClientCertificate {
                path: identity.name.clone(),
                reason: "the key is not that of the certificate, or of an unknown kind",
            },
            _ => Error::Setup { source: io::Error::other(error.without_url()) },
        })
    }

    /// Sends `request`; any answer is a success.
    pub(crate) fn send(
        &self,
        request: &Request<'_>,
        authorization: Option<&Secret>,
    ) -> Result<Response, Error> {
        let route = Route {
            own: request.url.host_str() == Some(&self.host),
            direct: is_loopback(&authority(&request.url)),
        };
        let client = self.client(route)?;
        let mut builder = client.request(request.method.clone(), request.url.clone());
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
            Payload::From(start) => self.wait(builder.header(RANGE, format!("bytes={start}-"))),
            Payload::InPlaceOf(tag, media_type, bytes) => {
                let builder = match tag {
                    Some(tag) => builder.header(IF_MATCH, tag),
                    None => builder.header(IF_NONE_MATCH, "*"),
                };
                self.wait(builder.header(CONTENT_TYPE, media_type).body(bytes.to_vec()))
            }
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
            Ok((inner, words)) => Ok(Response {
                inner,
                words,
                runtime: runtime.clone(),
                idle: self.idle,
                deadline: self.deadline,
                waited: Duration::ZERO,
                received: 0,
            }),
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
        Failure::Http(error) => match tls_problem(&error) {
            Some(rustls::Error::InvalidCertificate(problem)) => {
                Error::Certificate { host, reason: problem.to_string() }
            }
            Some(rustls::Error::AlertReceived(alert)) if is_about_client(*alert) => {
                Error::NotIdentified { host, reason: format!("{alert:?}") }
            }
            _ => Error::Connection {
                action,
                host,
                in_body: matches!(request.payload, Payload::Content(_)) && !error.is_connect(),
                source: error.without_url(),
            },
        },
    }
}

/// Whether the server found our certificate missing or wanting (RFC 8446 section 6.2).
fn is_about_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            // Signed with a key that the authority of that name does not have.
            | AlertDescription::DecryptError
    )
}

/// What the TLS library said, if that is what failed.
fn tls_problem<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(problem) = error.downcast_ref() {
        return Some(problem);
    }
    // An `io::Error` gives the cause of its content as its own cause and so hides the content.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(content) => tls_problem(content),
        None => error.source().and_then(tls_problem),
    }
}

/// The host in `host[:port]`, as the same host is written in URLs.
fn host_of(name: &str) -> String {
    let url = Url::parse(&format!("https://{name}/")).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
