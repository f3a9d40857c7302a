//! The endpoints of a registry and of its token server, as the distribution specification has them.

use data_encoding::BASE64;
use registry::Digest;

use super::{Answer, Guard, Request, State, decoded};

pub(crate) fn answer(request: &Request, guard: &Guard, address: &str, state: &mut State) -> Answer {
    if request.header("transfer-encoding").is_some() {
        state.violations.push(format!("{} {} has no known length", request.method, request.path));
    }
    if request.path == "/token" {
        return token(request, guard, state);
    }
    // `/v2/` itself: whether there is a registry.
    let Some((repository, kind, tail)) = split(&request.path) else {
        if request.path != "/v2/" {
            state.violations.push(format!("{} {} is no endpoint", request.method, request.path));
        }
        return if matches!(guard, Guard::Open) {
            Answer::new(200)
        } else {
            challenge(guard, address)
        };
    };
    if !allowed(request, guard, &repository, state) {
        return challenge(guard, address);
    }
    match (request.method.as_str(), kind, tail) {
        ("GET", "blobs", session) if session.starts_with("uploads/") => {
            status(&repository, session, state)
        }
        ("GET", "tags", "list") if state.manifests.is_empty() => unknown("NAME_UNKNOWN"),
        ("GET", "tags", "list") => {
            let tags: Vec<_> =
                state.manifests.keys().filter(|target| !target.contains(':')).collect();
            Answer::new(200).body(format!(r#"{{"name":"{repository}","tags":{tags:?}}}"#))
        }
        ("HEAD" | "GET", "blobs", digest) => match state.blobs.get(digest) {
            Some(bytes) => {
                Answer::new(200).with("Docker-Content-Digest", digest).with_body(request, bytes)
            }
            None => unknown("BLOB_UNKNOWN"),
        },
        ("POST", "blobs", "uploads/") => open(request, &repository, state),
        ("PATCH", "blobs", session) => append(request, &repository, session, state),
        ("PUT", "blobs", session) => finish(request, session, state),
        ("PUT", "manifests", target) => put_manifest(request, target, state),
        ("GET", "manifests", target) => match state.manifests.get(target) {
            Some((kind, bytes))
                if request
                    .header("accept")
                    .is_some_and(|accept| accept.contains(kind.as_str())) =>
            {
                Answer::new(200)
                    .with("Content-Type", kind.clone())
                    .with("Docker-Content-Digest", Digest::of(bytes).to_string())
                    .with_body(request, bytes)
            }
            _ => unknown("MANIFEST_UNKNOWN"),
        },
        _ => {
            state.violations.push(format!("{} {} is no endpoint", request.method, request.path));
            Answer::new(405)
        }
    }
}

impl Answer {
    fn with_body(self, request: &Request, bytes: &[u8]) -> Self {
        if request.method == "HEAD" {
            self.with("Content-Length", bytes.len().to_string())
        } else {
            self.body(bytes)
        }
    }
}

/// Repository, `blobs`, `manifests` or `tags`, and the rest.
fn split(path: &str) -> Option<(String, &'static str, &str)> {
    let rest = path.strip_prefix("/v2/")?;
    ["blobs", "manifests", "tags"].into_iter().find_map(|kind| {
        let (repository, tail) = rest.split_once(&format!("/{kind}/"))?;
        Some((repository.to_owned(), kind, tail))
    })
}

fn unknown(code: &str) -> Answer {
    Answer::new(404)
        .body(format!(r#"{{"errors":[{{"code":"{code}","message":"not known to registry"}}]}}"#))
}

fn challenge(guard: &Guard, address: &str) -> Answer {
    let wanted = match guard {
        Guard::Token(_) => {
            format!(r#"Bearer realm="http://{address}/token",service="test registry""#)
        }
        _ => r#"Basic realm="test""#.to_owned(),
    };
    Answer::new(401)
        .with("WWW-Authenticate", wanted)
        .body(r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
}

fn allowed(request: &Request, guard: &Guard, repository: &str, state: &State) -> bool {
    let sent = request.header("authorization").unwrap_or_default();
    match guard {
        Guard::Open => sent.is_empty(),
        Guard::Basic(user) => sent == format!("Basic {}", BASE64.encode(user.as_bytes())),
        Guard::Token(_) => {
            let action =
                if matches!(request.method.as_str(), "GET" | "HEAD") { "pull" } else { "push" };
            let has = |repository: &str, action: &str| {
                let scopes = sent.strip_prefix("Bearer ").and_then(|token| state.tokens.get(token));
                scopes.is_some_and(|scopes| scopes.contains(&format!("{repository}:{action}")))
            };
            has(repository, action)
                && request.query("from").is_none_or(|source| has(source, "pull"))
        }
    }
}

fn token(request: &Request, guard: &Guard, state: &mut State) -> Answer {
    let Guard::Token(user) = guard else { return Answer::new(404) };
    let mut query = request.query.clone();
    if request.method == "POST" {
        for pair in String::from_utf8_lossy(&request.body).split('&') {
            let (name, value) = pair.split_once('=').unwrap();
            query
                .entry(name.to_owned())
                .or_default()
                .extend(decoded(value).split(' ').map(str::to_owned));
        }
        if query["grant_type"] != ["refresh_token"] || query["refresh_token"] != ["identity"] {
            return Answer::new(401).body(r#"{"error":"invalid_grant"}"#);
        }
    } else if let Some(user) = user
        && request.header("authorization")
            != Some(&format!("Basic {}", BASE64.encode(user.as_bytes())))
    {
        return Answer::new(401).body(r#"{"details":"incorrect username or password"}"#);
    }
    state.counter += 1;
    let name = format!("token-{}", state.counter);
    let scopes = query.get("scope").cloned().unwrap_or_default();
    let granted = scopes.iter().flat_map(|scope| {
        let (repository, actions) =
            scope.strip_prefix("repository:").unwrap().rsplit_once(':').unwrap();
        actions.split(',').map(move |action| format!("{repository}:{action}"))
    });
    state.tokens.insert(name.clone(), granted.collect());
    Answer::new(200).body(format!(r#"{{"token":"{name}","expires_in":300}}"#))
}

fn open(request: &Request, repository: &str, state: &mut State) -> Answer {
    // As distribution does it: the body is not wanted, and no fault either.
    if request.header("content-length") != Some("0") && request.query("digest").is_none() {
        state.violations.push("POST without `Content-Length: 0`".to_owned());
    }
    if let (Some(digest), Some(source)) = (request.query("mount"), request.query("from")) {
        let found = state.elsewhere.get(source).and_then(|blobs| blobs.get(digest)).cloned();
        let found =
            found.or_else(|| state.blobs.get(digest).filter(|_| source == repository).cloned());
        if let Some(bytes) = found {
            state.blobs.insert(digest.to_owned(), bytes);
            return Answer::new(201).with("Location", format!("/v2/{repository}/blobs/{digest}"));
        }
    }
    state.counter += 1;
    let session = format!("uploads/{}", state.counter);
    state.uploads.insert(session.clone(), Vec::new());
    Answer::new(202).with("Location", format!("/v2/{repository}/blobs/{session}?_state=a%2Fb"))
}

fn append(request: &Request, repository: &str, session: &str, state: &mut State) -> Answer {
    let Some(upload) = state.uploads.get_mut(session) else {
        return unknown("BLOB_UPLOAD_UNKNOWN");
    };
    if let Some(range) = request.header("content-range") {
        let expected = format!("{}-{}", upload.len(), upload.len() + request.body.len() - 1);
        if range != expected {
            let body = r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"out of order"}]}"#;
            return Answer::new(416).body(body);
        }
    }
    upload.extend(&request.body);
    let end = upload.len().saturating_sub(1);
    Answer::new(202)
        .with("Location", format!("/v2/{repository}/blobs/{session}?_state=next"))
        .with("Range", format!("0-{end}"))
}

fn status(repository: &str, session: &str, state: &State) -> Answer {
    let Some(upload) = state.uploads.get(session) else { return unknown("BLOB_UPLOAD_UNKNOWN") };
    Answer::new(204)
        .with("Location", format!("/v2/{repository}/blobs/{session}?_state=asked"))
        .with("Range", format!("0-{}", upload.len().saturating_sub(1)))
}

fn finish(request: &Request, session: &str, state: &mut State) -> Answer {
    if request.header("content-type") != Some("application/octet-stream") {
        state.violations.push("a blob was put without its type".to_owned());
    }
    if request.query("_state").is_none() {
        state.violations.push("the session's query was lost".to_owned());
    }
    let Some(mut bytes) = state.uploads.remove(session) else {
        return unknown("BLOB_UPLOAD_UNKNOWN");
    };
    bytes.extend(&request.body);
    let digest = Digest::of(&bytes).to_string();
    if request.query("digest") != Some(&digest) {
        state.violations.push(format!("{:?} was put under another name", request.query("digest")));
        return Answer::new(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
    }
    if state.blobs.insert(digest.clone(), bytes).is_some() {
        state.violations.push(format!("{digest} was sent twice"));
    }
    Answer::new(201).with("Docker-Content-Digest", digest)
}

fn put_manifest(request: &Request, target: &str, state: &mut State) -> Answer {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let named = text.split('"').filter(|part| part.starts_with("sha256:"));
    if let Some(missing) = named.into_iter().find(|digest| !state.blobs.contains_key(*digest)) {
        state.violations.push(format!("the manifest came before {missing}"));
        return Answer::new(400).body(r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#);
    }
    let kind = request.header("content-type").unwrap_or_default().to_owned();
    let digest = Digest::of(&request.body).to_string();
    state.manifests.insert(target.to_owned(), (kind.clone(), request.body.clone()));
    state.manifests.insert(digest.clone(), (kind, request.body.clone()));
    Answer::new(201).with("Docker-Content-Digest", digest)
}
