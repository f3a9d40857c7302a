//! How a registry is spoken to: https, or plain http on this machine and where the user accepts it.

use reqwest::{Method, Url};

use super::Host;
use crate::Error;
use crate::auth::lock;
use crate::wire::message::{Request, Response};
use crate::wire::origin::is_loopback;

/// What a server that expects TLS answers to plain http, if it answers at all.
const BAD_REQUEST: u16 = 400;

impl Host {
    /// How the registry is spoken to. Those who wait between tries do not hold up those who ask meanwhile.
    pub(super) fn base(&self) -> Result<Url, Error> {
        self.retry.run(|| self.find_base())
    }

    /// Finds out how the registry is spoken to. Plain http is tried, without credentials, on this machine and where
    /// the user accepts it, and not if the registry is known to speak https.
    fn find_base(&self) -> Result<Url, Error> {
        let mut known = lock(&self.base);
        if let Some(base) = &*known {
            return Ok(base.clone());
        }
        let host = self.name().to_owned();
        let parse = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/")).map_err(|_| Error::UnsafeUrl {
                host: host.clone(),
                url: host.clone(),
                what: "the registry",
                reason: "it is not a host",
            })
        };
        let mut base = parse("https")?;
        if is_loopback(&host) && !self.remembers_https() {
            let plain = parse("http")?;
            let speaks_http = match self.probe(plain.clone()) {
                Ok(response) => response.status() != BAD_REQUEST,
                // Somebody is there and does not understand.
                Err(Error::Connection { ref source, .. }) if !source.is_connect() => false,
                Err(error) => return Err(error),
            };
            if speaks_http {
                base = plain;
            } else {
                self.learn(|habits| habits.https = Some(true));
            }
        } else if self.insecure
            && let Err(Error::Connection { source, .. }) = self.probe(base.clone())
            && source.is_connect()
        {
            // Nobody is there, or somebody who does not speak TLS.
            base = parse("http")?;
            self.probe(base.clone())?;
        }
        *known = Some(base.clone());
        Ok(base)
    }

    /// Lets go of a base that is only remembered; another registry may be at this port of this machine today.
    pub(super) fn forget_base(&self) {
        self.learn(|habits| habits.https = None);
        *lock(&self.base) = None;
    }

    pub(super) fn remembers_https(&self) -> bool {
        is_loopback(&self.name) && self.habits().https == Some(true)
    }

    /// The registry's front door, without credentials.
    pub(super) fn probe(&self, mut base: Url) -> Result<Response, Error> {
        base.set_path("/v2/");
        let action = format!("reach `{}`", self.name());
        let request = Request::bare(&action, Method::GET, base);
        self.transport.send(&request, None)
    }
}
