//! What can be read, listed and deleted.

use registry::Digest;
use serde_json::{Value, json};

use super::registry::unknown;
use super::{Answer, Deletion, Request, State};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

pub(super) fn blob(request: &Request, digest: &str, state: &State) -> Answer {
    let Some(bytes) = state.blobs.get(digest) else { return unknown("BLOB_UNKNOWN") };
    let answer = |status| Answer::new(status).with("Docker-Content-Digest", digest);
    let start = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        None => answer(200).with_body(request, bytes),
        Some(start) if start < bytes.len() => answer(206)
            .with("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()))
            .with_body(request, &bytes[start..]),
        Some(_) => Answer::new(416).with("Content-Range", format!("bytes */{}", bytes.len())),
    }
}

pub(super) fn manifest(request: &Request, target: &str, state: &State) -> Answer {
    match state.manifests.get(target) {
        Some((kind, bytes))
            if request.header("accept").is_some_and(|accept| accept.contains(kind.as_str())) =>
        {
            let answer = Answer::new(200)
                .with("Content-Type", kind.clone())
                .with("Docker-Content-Digest", Digest::of(bytes).to_string());
            let answer = if state.conditional { answer.with("ETag", etag(bytes)) } else { answer };
            answer.with_body(request, bytes)
        }
        _ => unknown("MANIFEST_UNKNOWN"),
    }
}

pub(super) fn etag(bytes: &[u8]) -> String {
    format!("{:?}", Digest::of(bytes).to_string())
}

pub(super) fn tags(request: &Request, repository: &str, state: &State) -> Answer {
    let last = request.query("last").unwrap_or_default();
    let all = state.manifests.keys().filter(|key| !key.contains(':'));
    let mut tags: Vec<&String> = all.filter(|tag| tag.as_str() > last).collect();
    if tags.is_empty() && last.is_empty() {
        return unknown("NAME_UNKNOWN");
    }
    let wanted: usize = request.query("n").unwrap().parse().unwrap();
    let page = state.page.unwrap_or(wanted).min(wanted);
    let more = tags.len() > page;
    tags.truncate(page);
    let answer = Answer::new(200).body(json!({"name": repository, "tags": tags}).to_string());
    match tags.last().filter(|_| more) {
        Some(last) => answer.with(
            "Link",
            format!("</v2/{repository}/tags/list?last={last}&n={page}>; rel=\"next\""),
        ),
        None => answer,
    }
}

pub(super) fn subject(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest["subject"]["digest"].as_str()?.to_owned())
}

pub(super) fn referrers(digest: &str, state: &State) -> Answer {
    if !state.referrers {
        return unknown("NOT_FOUND");
    }
    let about = state.manifests.iter().filter(|(key, (_, bytes))| {
        key.starts_with("sha256:") && subject(bytes).as_deref() == Some(digest)
    });
    let manifests = about.map(|(key, (kind, bytes))| {
        let manifest: Value = serde_json::from_slice(bytes).unwrap();
        json!({"mediaType": kind, "digest": key, "size": bytes.len(), "artifactType": manifest["artifactType"]})
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests.collect::<Vec<_>>()});
    Answer::new(200).with("Content-Type", INDEX_TYPE).body(index.to_string())
}

pub(super) fn delete(target: &str, state: &mut State) -> Answer {
    let is_digest = target.starts_with("sha256:");
    match state.deletion {
        Deletion::Nothing => {
            return Answer::new(405).body(
                r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#,
            );
        }
        Deletion::Digests if !is_digest => {
            return Answer::new(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
        }
        Deletion::Digests | Deletion::Tags => {}
    }
    let Some((_, gone)) = state.manifests.remove(target) else {
        return unknown("MANIFEST_UNKNOWN");
    };
    if is_digest {
        // All tags of it go as well.
        state.manifests.retain(|_, (_, bytes)| *bytes != gone);
    }
    Answer::new(202)
}
