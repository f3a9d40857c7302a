//! Gets an access token from the server that a registry names.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>: GET with service and scopes, with Basic
//! credentials or anonymously; and <https://distribution.github.io/distribution/spec/auth/oauth/>: POST of a refresh
//! token, which is what an identity token is, or of a name and password. Passwords go by GET, which every server
//! knows, and by POST to those that do not; identity tokens the other way round.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use crate::credentials::Credential;
use crate::error::redacted;
use crate::wire::answer;
use crate::wire::message::{Payload, Request, Response};
use crate::wire::origin::{INSIDE, authority, leads_inside};
use crate::wire::transport::Transport;
use crate::{Error, Secret};

/// The lifetime that the specification assumes when the server names none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// A token is renewed so long before its end, so that it survives the way to the registry.
const MARGIN: Duration = Duration::from_secs(5);
/// Tokens have a few kilobytes.
const MAX_ANSWER: u64 = 1 << 20;
/// `OAuth2` wants clients to have a name.
const CLIENT_ID: &str = "closure2img";
const FORM: &str = "application/x-www-form-urlencoded";

/// Where tokens come from, as the challenge names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Realm {
    pub(crate) url: String,
    pub(crate) service: Option<String>,
}

/// An access token with its end.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    end: Instant,
}

impl Token {
    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.end
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// `Basic …` for a header.
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    Secret::new(format!(
        "Basic {}",
        BASE64.encode(format!("{username}:{}", password.expose()).as_bytes())
    ))
}

/// How the user proves who they are to a token server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// GET, with Basic credentials if there are any.
    Query,
    /// POST of a form with a refresh token or a password.
    Form,
}

/// Asks `realm`, named by the registry at `base`, for a token with these scopes.
///
/// A server that does not know the usual way for the kind of credential is asked in the other, and `unusual`
/// remembers that. A wrong password makes no second request: the server has understood it.
pub(crate) fn request(
    transport: &Transport,
    base: &Url,
    realm: &Realm,
    scopes: &[String],
    credential: Option<&Credential>,
    unusual: &AtomicBool,
) -> Result<Token, Error> {
    let url = checked(base, realm)?;
    let ask = Ask { transport, base, url, service: realm.service.as_deref(), scopes, credential };
    let (usual, other) = match credential {
        Some(Credential::Basic { .. }) => (Way::Query, Some(Way::Form)),
        Some(Credential::IdentityToken(_)) => (Way::Form, Some(Way::Query)),
        _ => (Way::Query, None),
    };
    let Some(other) = other else { return ask.token(usual) };
    if unusual.load(Ordering::Relaxed) {
        return ask.token(other);
    }
    let refused = match ask.token(usual) {
        Err(error) if does_not_know(usual, &error) => error,
        result => return result,
    };
    match ask.token(other) {
        // It is not the way that was wrong.
        Err(error) if matches!(error.status(), Some(400 | 404 | 405)) => Err(refused),
        result => {
            unusual.store(true, Ordering::Relaxed);
            result
        }
    }
}

/// Whether the server means the way and not the credential. Servers with `OAuth2` alone answer 400 to a GET; to a
/// POST, 400 is how `OAuth2` refuses a credential (RFC 6749 section 5.2).
fn does_not_know(way: Way, error: &Error) -> bool {
    match error.status() {
        Some(404 | 405) => true,
        Some(400) => way == Way::Query,
        _ => false,
    }
}

/// What does not change from one way to the other.
struct Ask<'a> {
    transport: &'a Transport,
    base: &'a Url,
    url: Url,
    service: Option<&'a str>,
    scopes: &'a [String],
    credential: Option<&'a Credential>,
}

impl Ask<'_> {
    fn token(&self, way: Way) -> Result<Token, Error> {
        let registry = authority(self.base);
        let action = format!("get a token from `{}`", redacted(&self.url));
        let asked = Instant::now();
        let response = match way {
            Way::Query => self.query(&action)?,
            Way::Form => self.form(&action)?,
        };
        if response.status() != 200 {
            let authorized = self.credential.is_some();
            let refusal = answer::refusal(response, &action, &registry, authorized);
            return Err(match self.credential {
                Some(Credential::Basic { username, password }) => {
                    refusal.conceal(&basic(username, password))
                }
                Some(Credential::IdentityToken(token) | Credential::RegistryToken(token)) => {
                    refusal.conceal(&basic("<token>", token))
                }
                None => refusal,
            });
        }
        let body = answer::bytes(response, MAX_ANSWER, "the token", &action, &registry)?;
        parse(&body, asked).ok_or(Error::NotARegistry {
            action,
            host: registry,
            got: "200 without a token".to_owned(),
            expected: "a JSON object with a `token`",
        })
    }

    fn query(&self, action: &str) -> Result<Response, Error> {
        let mut url = self.url.clone();
        let service = self.service.map(|service| ("service", service));
        let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_str()));
        url.query_pairs_mut().extend_pairs(service.into_iter().chain(scopes));
        let authorization = match self.credential {
            Some(Credential::Basic { username, password }) => Some(basic(username, password)),
            // What docker's helpers call the user of such a token.
            Some(Credential::IdentityToken(token)) => Some(basic("<token>", token)),
            _ => None,
        };
        let request = Request::bare(action, Method::GET, url);
        self.transport.send(&request, authorization.as_ref())
    }

    fn form(&self, action: &str) -> Result<Response, Error> {
        // OAuth2 wants the scopes in one parameter.
        let scope = self.scopes.join(" ");
        let mut pairs = vec![("client_id", CLIENT_ID), ("scope", &scope)];
        pairs.extend(self.service.map(|service| ("service", service)));
        match self.credential {
            Some(Credential::IdentityToken(token)) => {
                pairs.extend([("grant_type", "refresh_token"), ("refresh_token", token.expose())]);
            }
            Some(Credential::Basic { username, password }) => pairs.extend([
                ("grant_type", "password"),
                ("username", username),
                ("password", password.expose()),
            ]),
            _ => {}
        }
        let mut form = self.url.clone();
        form.set_query(None);
        form.query_pairs_mut().extend_pairs(pairs);
        let body = form.query().unwrap_or_default().as_bytes();
        let payload = Payload::Bytes(Some(FORM), body);
        let url = self.url.clone();
        self.transport.send(&Request::with(action, Method::POST, url, payload), None)
    }
}

fn parse(body: &[u8], asked: Instant) -> Option<Token> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    // What does not fit into a header is none.
    let fits = |token: &String| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let secret = answer.token.or(answer.access_token).filter(fits)?;
    let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
    // Of a short life not all may be margin, or each request would ask for a token of its own.
    let used = lifetime.saturating_sub(MARGIN.min(lifetime / 4));
    // A lifetime beyond what the clock can hold is as good as the default.
    let end = asked.checked_add(used).unwrap_or(asked + DEFAULT_LIFETIME);
    Some(Token { secret: Secret::new(secret), end })
}

/// Credentials, and tokens on their way back, travel only as safely as the registry's own traffic does.
fn checked(base: &Url, realm: &Realm) -> Result<Url, Error> {
    let what = "the token server";
    let Ok(url) = Url::parse(&realm.url) else {
        return Err(Error::UnsafeUrl {
            host: authority(base),
            url: String::new(),
            what,
            reason: "it is not a URL",
        });
    };
    let refuse =
        |reason| Err(Error::UnsafeUrl { host: authority(base), url: redacted(&url), what, reason });
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it carries a password");
    }
    if leads_inside(base, &url) {
        return refuse(INSIDE);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if base.scheme() == "http" => Ok(url),
        _ => refuse("credentials are sent over https only"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_name_of_the_token_will_do() {
        let now = Instant::now();
        for body in [r#"{"token":"t","expires_in":300}"#, r#"{"access_token":"t"}"#] {
            let token = parse(body.as_bytes(), now).unwrap();
            assert_eq!(token.secret.expose(), "t");
            assert!(token.is_fresh());
        }
        assert!(parse(br#"{"token":"t","expires_in":4}"#, now).unwrap().is_fresh());
        assert!(!parse(br#"{"token":"t","expires_in":0}"#, now).unwrap().is_fresh());
        assert!(parse(br#"{"token":"t","expires_in":18446744073709551615}"#, now).is_some());
        for body in
            ["{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, r#"{"token":"t","expi"#, "<html>"]
        {
            assert!(parse(body.as_bytes(), now).is_none(), "{body}");
        }
    }

    #[test]
    fn credentials_do_not_travel_in_the_open() {
        let check = |base: &str, realm: &str| {
            checked(&Url::parse(base).unwrap(), &Realm { url: realm.to_owned(), service: None })
                .is_ok()
        };
        assert!(check("https://h", "https://auth.example/token"));
        assert!(check("http://localhost", "http://localhost:1/token"));
        assert!(!check("https://h", "http://auth.example/token"));
        assert!(!check("https://h", "/token"));
        assert!(!check("https://h", "https://u:p@auth.example/token"));
        assert!(!check("http://localhost", "ftp://localhost/token"));
        assert!(!check("https://203.0.113.1", "https://127.0.0.1/token"));
        assert!(check("https://10.0.0.1", "https://10.0.0.2/token"));
    }
}
