//! What the user can do about an error: advice apart from the message, so that the program can print it where it likes.

use super::Error;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Credentials(error) => error.hint(),
            Self::Refused { host, status: 401, authorized: false, .. } => Some(format!(
                "no credentials for `{host}` were found: `docker login {host}` stores them"
            )),
            Self::Refused { host, status: 401, .. } => Some(format!(
                "the stored credentials for `{host}` were not accepted: `docker login {host}` renews them"
            )),
            Self::Refused { status: 403, authorized: true, .. } => Some(
                "the account may not do this: check that it can write to the repository".to_owned(),
            ),
            Self::Refused { host, status: 403, .. } => {
                Some(format!("anonymous access is not enough: log in with `docker login {host}`"))
            }
            Self::Refused { host, status: 404, .. } => Some(format!(
                "some registries want a repository to be created before the first push: check its name at `{host}`"
            )),
            Self::Refused { host, status: 301 | 302 | 303 | 307 | 308, .. } => Some(format!(
                "`{host}` redirects what should be written: name the host that it redirects to"
            )),
            Self::Refused { status: 413, .. } => {
                Some("the registry, or a proxy before it, limits the size of a request".to_owned())
            }
            Self::Refused { status: 429, .. } => {
                Some("the registry limits requests: try again later".to_owned())
            }
            Self::Refused { status: 500.., .. } => {
                Some("this is the registry's fault: try again later, or ask who runs it".to_owned())
            }
            Self::NotARegistry { host, .. } => Some(format!(
                "`{host}` does not behave like an OCI registry: check host, port and proxy"
            )),
            Self::Certificate { host, .. } => Some(format!(
                "if `{host}` has a certificate of your own authority, name that authority's PEM file (or set SSL_CERT_FILE)"
            )),
            Self::Deadline { .. } => Some(
                "give it more time; what is in place already is not sent again".to_owned(),
            ),
            Self::Undeletable { .. } => Some(
                "who runs the registry can allow it (docker-registry: `storage.delete.enabled`), or remove the image by its own means".to_owned(),
            ),
            Self::Contended { .. } => Some("try again when fewer others write".to_owned()),
            Self::InvalidMirrors { path, .. } => Some(format!(
                "correct `{}`, or name another file in CONTAINERS_REGISTRIES_CONF",
                path.display()
            )),
            Self::Blocked { .. } => Some(
                "ask who wrote that file, or name another in CONTAINERS_REGISTRIES_CONF".to_owned(),
            ),
            Self::NotIdentified { host, .. } => Some(format!(
                "`{host}` asks clients for a certificate: name one of an authority that it knows, with its key, or put both into a certs.d folder"
            )),
            Self::Connection { host, source, .. } if source.is_connect() => Some(format!(
                "check that `{host}` is the right name and port, and that it is running"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_host() {
        let refused = |code, was_authorized| {
            let mut error = Error::refused(code);
            if let Error::Refused { authorized, .. } = &mut error {
                *authorized = was_authorized;
            }
            error
        };
        assert!(refused(401, false).hint().unwrap().contains("docker login host:5000"));
        assert!(refused(401, true).hint().unwrap().contains("not accepted"));
        assert_eq!(refused(418, true).hint(), None);
        assert_eq!(refused(404, true).to_string(), "cannot push: `host:5000` answered 404");
    }
}
