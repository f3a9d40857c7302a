//! Whom a URL leads to, and whether credentials may go there.
//!
//! Registries answer with URLs of their own choosing: upload sessions, redirects, token realms. The rule is one:
//! `Authorization` goes to the scheme, host and port that the user named and nowhere else (the distribution spec says
//! "MUST NOT forward Authorization headers across host boundaries"; clients that did have had their advisories).
//!
//! A public registry has no business with the private network that the user happens to be in, either, so a URL of its
//! that names a private address is refused. A name that merely resolves to one is not: the registry's traffic is
//! https, so before anything is said the other end would have to show a certificate for that name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

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
    if leads_inside(base, &url) {
        return refuse(redacted(&url), INSIDE);
    }
    Ok(url)
}

/// Why a URL is refused that [`leads_inside`].
pub(crate) const INSIDE: &str = "it leads from a public registry into a private network";

/// Whether `url`, sent by the registry at `base`, names a host of a private network that the registry is not in.
pub(crate) fn leads_inside(base: &Url, url: &Url) -> bool {
    is_inside(url) && !is_inside(base) && !resolves_inside(base)
}

/// Whether the host is, by its name or address alone, one of this machine or of a private network.
fn is_inside(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse() {
        return is_private(address);
    }
    // Only the local network can know a name without a dot.
    name.rsplit_once('.').is_none_or(|(_, top)| matches!(top, "localhost" | "internal" | "local"))
        || name.ends_with(".home.arpa")
}

/// Whether a registry with a name like any other is in a private network all the same. Asked only when it matters.
fn resolves_inside(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let Ok(addresses) = (host, base.port_or_known_default().unwrap_or(0)).to_socket_addrs() else {
        return false;
    };
    let mut addresses = addresses.peekable();
    addresses.peek().is_some() && addresses.all(|address| is_private(address.ip()))
}

/// Loopback, link-local (cloud metadata), private use (RFC 1918, RFC 4193), shared (RFC 6598), and "this host".
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            first == 0
                || (first == 100 && second & 0xc0 == 64)
                || address.is_loopback()
                || address.is_private()
                || address.is_link_local()
        }
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_private(IpAddr::V4(address)),
            None => {
                address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
        },
    }
}

/// The IPv4 address that an IPv6 address stands for: `::ffff:0:0/96`, or `64:ff9b::/96` (RFC 6052).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else {
        return address.to_ipv4_mapped();
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
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
    fn a_public_registry_does_not_lead_inside() {
        let inside = |base: &str, url: &str| {
            leads_inside(&Url::parse(base).unwrap(), &Url::parse(url).unwrap())
        };
        // An address, since the name of a registry is resolved.
        let public = "https://203.0.113.1";
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0.0.0.0/",
            "https://10.1.2.3:8443/",
            "https://172.31.0.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.100.0.1/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::10.0.0.1]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://x.localhost/",
            "https://metadata/",
            "https://metadata.google.internal/",
            "https://printer.local/",
        ] {
            assert!(inside(public, url), "{url}");
            assert!(!inside("https://10.0.0.1", url) && !inside("http://localhost:5000", url));
        }
        for url in ["https://storage.example/", "https://198.51.100.1/", "https://100.128.0.1/"] {
            assert!(!inside(public, url), "{url}");
        }
        let location = follow(
            &Url::parse("https://203.0.113.1/v2/a/blobs/uploads/").unwrap(),
            "https://169.254.169.254/x",
            &Url::parse(public).unwrap(),
            "the next location",
        );
        assert!(matches!(location, Err(Error::UnsafeUrl { reason: INSIDE, .. })));
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
