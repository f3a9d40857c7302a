//! Whom a URL leads to, and whether credentials may go there.
//!
//! Registries answer with URLs of their own choosing: upload sessions, redirects, token realms. The rule is one:
//! `Authorization` goes to the scheme, host and port that the user named and nowhere else (the distribution spec says
//! "MUST NOT forward Authorization headers across host boundaries"; clients that did have had their advisories).

use reqwest::Url;

use crate::Error;
use crate::error::redacted;

/// Scheme, host and port: the unit of trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    pub(crate) fn of(url: &Url) -> Self {
        Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            // The explicit and the implied 443 are the same port; registries write either.
            port: url.port_or_known_default(),
        }
    }
}

/// The URL that `location` means in the answer to a request for `request`, if it may be followed.
///
/// A proxy that ends TLS often makes the registry believe that it is on plain http. For the registry's own host such
/// a URL is corrected; for another host it is refused, since it would give up the encryption that the user asked for.
pub(crate) fn follow(
    request: &Url,
    location: &str,
    base: &Url,
    what: &'static str,
) -> Result<Url, Error> {
    let host = || authority(request);
    let refuse = |url: String, reason| Err(Error::UnsafeUrl { host: host(), url, what, reason });
    let Ok(mut url) = request.join(location) else {
        return refuse(
            crate::error::printable(location.split('?').next().unwrap_or_default(), 300),
            "it is not a URL",
        );
    };
    // Userinfo would become an `Authorization` header that nobody meant to send.
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(redacted(&url), "it carries a password");
    }
    if url.scheme() == "http" && request.scheme() == "https" {
        if url.host_str() != base.host_str() {
            return refuse(redacted(&url), "it leads from https to plain http");
        }
        let port = url.port().or(base.port());
        if url.set_scheme("https").is_err() || url.set_port(port).is_err() {
            return refuse(redacted(&url), "it leads from https to plain http");
        }
    }
    if !matches!(url.scheme(), "http" | "https") {
        return refuse(redacted(&url), "its scheme is not https");
    }
    Ok(url)
}

/// `host[:port]` as it is shown to people.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether `host[:port]` is this machine, where plain http is customary.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{registry}/")) else { return false };
    let Some(host) = url.host_str() else { return false };
    let name = host.trim_start_matches('[').trim_end_matches(']');
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(base: &str, location: &str) -> Result<String, Error> {
        let base = Url::parse(base).unwrap();
        let request = base.join("/v2/a/blobs/uploads/").unwrap();
        follow(&request, location, &base, "an upload location").map(String::from)
    }

    #[test]
    fn locations_are_resolved_against_the_request() {
        for (base, location, expected) in [
            ("https://h", "/v2/a/blobs/uploads/1?s=2", "https://h/v2/a/blobs/uploads/1?s=2"),
            ("https://h", "1?s=2", "https://h/v2/a/blobs/uploads/1?s=2"),
            ("https://h:5000", "https://other/x", "https://other/x"),
            // A proxy that ends TLS.
            ("https://h", "http://h/x?s=2", "https://h/x?s=2"),
            ("https://h:8443", "http://h/x", "https://h:8443/x"),
            ("https://h:8443", "http://h:8443/x", "https://h:8443/x"),
            ("http://localhost:5000", "http://elsewhere/x", "http://elsewhere/x"),
        ] {
            assert_eq!(followed(base, location).unwrap(), expected);
        }
    }

    #[test]
    fn unsafe_locations_are_refused() {
        for location in
            ["http://other/x", "ftp://h/x", "file:///etc/passwd", "https://u:p@h/x", "https://"]
        {
            assert!(
                matches!(followed("https://h", location), Err(Error::UnsafeUrl { .. })),
                "{location}"
            );
        }
    }

    #[test]
    fn origins_know_the_default_port() {
        let origin = |url| Origin::of(&Url::parse(url).unwrap());
        assert_eq!(origin("https://h/a"), origin("https://H:443/b"));
        assert_ne!(origin("https://h/"), origin("https://h:444/"));
        assert_ne!(origin("https://h/"), origin("http://h:443/"));
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for host in [
            "localhost",
            "localhost:5000",
            "x.localhost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "128.0.0.1", "10.0.0.1:5000", "[::2]", "notlocalhost"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
