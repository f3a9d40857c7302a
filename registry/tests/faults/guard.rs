//! Who may pass, and which secret was seen where.
//!
//! The proxy hands out the tokens and checks them, so that the registry behind it can be an open one and every secret
//! there is in a test is known. A secret on the wrong wire is noted, and the story fails on it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use data_encoding::BASE64;

use crate::wire::{Head, Reply};

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "pa55w0rd-of-ann";

/// How the proxy wants users to show who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    #[default]
    Bearer,
}

pub(crate) struct Guard {
    scheme: Scheme,
    /// `scheme://host:port` of the proxy.
    origin: String,
    tokens: Mutex<Vec<String>>,
    violations: Mutex<Vec<String>>,
}

static TOKENS: AtomicU32 = AtomicU32::new(0);

/// `user:password` as Basic writes it.
pub(crate) fn basic() -> String {
    BASE64.encode(format!("{USER}:{PASSWORD}").as_bytes())
}

impl Guard {
    pub(crate) fn new(scheme: Scheme, origin: String) -> Self {
        Self { scheme, origin, tokens: Mutex::default(), violations: Mutex::default() }
    }

    pub(crate) fn note(&self, violation: String) {
        self.violations.lock().unwrap().push(violation);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    /// All texts that must not appear anywhere but in `Authorization`.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.tokens.lock().unwrap().clone();
        secrets.extend([PASSWORD.to_owned(), basic()]);
        secrets
    }

    /// The value of `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> String {
        match self.scheme {
            Scheme::Basic => r#"Basic realm="proxy""#.to_owned(),
            Scheme::Bearer => {
                format!(r#"Bearer realm="{}/token",service="proxy""#, self.origin)
            }
        }
    }

    /// An answer for those who may not pass.
    pub(crate) fn check(&self, request: &Head) -> Result<(), Reply> {
        let sent = request.get("authorization").unwrap_or_default();
        if self.secrets().iter().any(|secret| request.line.contains(secret.as_str())) {
            self.note(format!("a secret is in the URL of {}", request.line));
        }
        let known = match self.scheme {
            Scheme::Basic => sent == format!("Basic {}", basic()),
            Scheme::Bearer => {
                if sent.starts_with("Basic") {
                    self.note(format!("the password was sent with {}", request.line));
                }
                let token = sent.strip_prefix("Bearer ").unwrap_or_default();
                self.tokens.lock().unwrap().iter().any(|known| known == token)
            }
        };
        if known {
            return Ok(());
        }
        let refused = Reply::error(401, "UNAUTHORIZED", "authentication required");
        Err(refused.with("WWW-Authenticate", self.challenge()))
    }

    /// The answer of `/token`.
    pub(crate) fn token(&self, request: &Head) -> Reply {
        let sent = request.get("authorization").unwrap_or_default();
        if sent.starts_with("Bearer") {
            self.note("a token was sent to the token server".to_owned());
        }
        if sent != format!("Basic {}", basic()) {
            return Reply::new(401, r#"{"details":"incorrect username or password"}"#);
        }
        let token = format!("t0ken-{}-of-ann", TOKENS.fetch_add(1, Ordering::Relaxed));
        let body = format!(r#"{{"expires_in":300,"token":"{token}"}}"#);
        self.tokens.lock().unwrap().push(token);
        Reply::new(200, body).with("Content-Type", "application/json")
    }
}
