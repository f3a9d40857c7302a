//! Gets an access token from the server that a registry names.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>: GET with service and scopes, with Basic
//! credentials or anonymously; and <https://distribution.github.io/distribution/spec/auth/oauth/>: POST of a refresh
//! token, which is what an identity token is.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::{Method, Url};
use serde::Deserialize;

use crate::credentials::Credential;
use crate::error::redacted;
use crate::wire::answer;
use crate::wire::origin::authority;
use crate::wire::transport::{Payload, Request, Transport};
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Asks `realm`, named by the registry at `base`, for a token with these scopes.
pub(crate) fn request(
    transport: &Transport,
    base: &Url,
    realm: &Realm,
    scopes: &[String],
    credential: Option<&Credential>,
) -> Result<Token, Error> {
    let registry = authority(base);
    let mut url = checked(base, realm)?;
    let action = format!("get a token from `{}`", redacted(&url));
    let mut pairs: Vec<(&str, &str)> =
        realm.service.iter().map(|service| ("service", service.as_str())).collect();
    pairs.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));

    let asked = Instant::now();
    let response = if let Some(Credential::IdentityToken(refresh)) = credential {
        // OAuth2 wants the scopes in one parameter.
        let scope = scopes.join(" ");
        pairs.retain(|(name, _)| *name != "scope");
        pairs.extend([
            ("scope", scope.as_str()),
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
        ]);
        pairs.push(("refresh_token", refresh.expose()));
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut().extend_pairs(&pairs);
        let body = form.query().unwrap_or_default();
        let payload = Payload::Bytes(Some(FORM), body.as_bytes());
        transport.send(&Request::with(&action, Method::POST, url, payload), None)?
    } else {
        url.query_pairs_mut().extend_pairs(&pairs);
        let authorization = match credential {
            Some(Credential::Basic { username, password }) => Some(basic(username, password)),
            _ => None,
        };
        let request = Request::bare(&action, Method::GET, url);
        transport.send(&request, authorization.as_ref())?
    };
    if response.status() != 200 {
        return Err(answer::refusal(response, &action, &registry, credential.is_some()));
    }
    let body = answer::bytes(response, MAX_ANSWER, "the token", &action, &registry)?;
    parse(&body, asked).ok_or(Error::NotARegistry {
        action,
        host: registry,
        got: "200 without a token".to_owned(),
        expected: "a JSON object with a `token`",
    })
}

fn parse(body: &[u8], asked: Instant) -> Option<Token> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let secret = answer.token.or(answer.access_token).filter(|token| !token.is_empty())?;
    let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
    // A lifetime beyond what the clock can hold is as good as the default.
    let end =
        asked.checked_add(lifetime.saturating_sub(MARGIN)).unwrap_or(asked + DEFAULT_LIFETIME);
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
        assert!(!parse(br#"{"token":"t","expires_in":0}"#, now).unwrap().is_fresh());
        assert!(parse(br#"{"token":"t","expires_in":18446744073709551615}"#, now).is_some());
        for body in ["{}", r#"{"token":""}"#, r#"{"token":"t","expi"#, "<html>"] {
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
    }
}
