//! Where passwords and tokens go: to the registry and its token server, and nowhere else, however they lead.

use registry::{Authority, Blob, Client, ClientOptions, Error, Silent};

use crate::elsewhere::Elsewhere;
use crate::fault::{Change, Fault, Kind, Rule, Wishes};
use crate::guard::Scheme;
use crate::proxy::Setting;
use crate::story::{Act, NEW, Stage, WORDS, push_all};
use crate::wire::Reply;

/// A stage with another host.
fn stage(setting: Setting) -> (Stage, Elsewhere) {
    let stage = Stage::with(setting);
    let elsewhere = Elsewhere::start(&stage.upstream.address);
    stage.proxy.set_elsewhere(&elsewhere.address);
    (stage, elsewhere)
}

fn changed(kind: Kind, change: Change) -> Vec<Rule> {
    vec![Rule::always(kind, Fault::Change(change))]
}

/// Leads an upload to the other host.
fn move_location(reply: &mut Reply, wishes: &Wishes) {
    let location = reply.head.get("location").unwrap_or_default();
    // Whatever the registry takes for its own address: behind TLS it believes to be on plain http.
    let path = location.find("/v2/").map_or(location, |start| &location[start..]);
    let moved = format!("{}{path}", wishes.elsewhere);
    reply.head.set("Location", moved);
}

/// Leads the request itself to the other host.
fn move_request(reply: &mut Reply, wishes: &Wishes) {
    let target = wishes.request.target();
    *reply = Reply::new(307, "").with("Location", format!("{}{target}", wishes.elsewhere));
}

#[test]
fn an_upload_that_leads_elsewhere_goes_there_without_credentials() {
    for scheme in [Scheme::Basic, Scheme::Bearer] {
        let rules = changed(Kind::Post, move_location);
        let (stage, elsewhere) = stage(Setting { scheme, rules, ..Setting::default() });
        // The blobs went around the proxy, so that it cannot tell their order.
        for blob in &NEW.blobs {
            stage.client().ensure_blob(blob, &Silent).unwrap();
            let there = stage.upstream.blob(&blob.digest().to_string());
            assert_eq!(there.as_deref(), Some(blob.bytes()));
        }
        assert!(elsewhere.count() >= NEW.blobs.len());
        assert_eq!(elsewhere.leak(&stage.proxy.guard().secrets()), None);
    }
}

#[test]
fn a_redirect_is_followed_without_credentials_or_not_at_all() {
    for kind in [
        Kind::Head,
        Kind::Post,
        Kind::Put,
        Kind::ManifestPut,
        Kind::ManifestGet,
        Kind::BlobGet,
        Kind::Token,
        Kind::Probe,
    ] {
        for scheme in [Scheme::Basic, Scheme::Bearer] {
            let rules = changed(kind, move_request);
            let (stage, elsewhere) = stage(Setting { scheme, rules, ..Setting::default() });
            let result = match kind {
                Kind::ManifestGet | Kind::BlobGet => stage.play(Act::Pull).unwrap(),
                _ => push_all(&stage.client()),
            };
            assert_eq!(elsewhere.leak(&stage.proxy.guard().secrets()), None, "{kind:?}");
            if kind == Kind::BlobGet {
                // Where registries keep blobs is often another host.
                result.unwrap();
                assert_eq!(elsewhere.count(), 1);
            }
        }
    }
}

#[test]
fn a_registry_behind_tls_that_believes_to_be_on_plain_http_gets_the_image_over_tls() {
    let stage = Stage::with(Setting { tls: true, ..Setting::default() });
    stage.play(Act::Push).unwrap().unwrap();
}

#[test]
fn nothing_is_sent_from_https_to_http_elsewhere() {
    let cases: [(Kind, Change); 3] = [
        (Kind::Post, move_location),
        (Kind::BlobGet, move_request),
        (Kind::ManifestGet, move_request),
    ];
    for (kind, change) in cases {
        let rules = changed(kind, change);
        let (stage, elsewhere) = stage(Setting { tls: true, rules, ..Setting::default() });
        let act = if kind == Kind::Post { Act::Push } else { Act::Pull };
        let error = stage.play(act).unwrap().unwrap_err();
        assert!(matches!(error, Error::UnsafeUrl { .. }), "{kind:?}: {error:?}");
        assert_eq!(elsewhere.count(), 0, "{kind:?}");
    }
}

#[test]
fn the_password_does_not_go_to_a_token_server_on_plain_http() {
    let rules = vec![
        Rule::always(Kind::Head, Fault::Change(plain_realm)),
        Rule::always(Kind::Post, Fault::Change(plain_realm)),
        Rule::always(Kind::Probe, Fault::Change(plain_realm)),
    ];
    let (stage, elsewhere) = stage(Setting { tls: true, rules, ..Setting::default() });
    let error = stage.client().ensure_blob(&NEW.blobs[0], &Silent).unwrap_err();
    assert!(matches!(error, Error::UnsafeUrl { .. }), "{error:?}");
    assert_eq!(elsewhere.count(), 0);
}

fn plain_realm(reply: &mut Reply, wishes: &Wishes) {
    let realm = format!(r#"Bearer realm="{}/token",service="x""#, wishes.elsewhere);
    *reply = Reply::error(401, "UNAUTHORIZED", WORDS).with("WWW-Authenticate", realm);
}

#[test]
fn what_the_registry_repeats_of_a_secret_is_not_repeated() {
    for scheme in [Scheme::Basic, Scheme::Bearer] {
        for kind in [Kind::Post, Kind::Put, Kind::ManifestPut, Kind::Token] {
            if kind == Kind::Token && scheme == Scheme::Basic {
                continue;
            }
            let rules = changed(kind, |reply, wishes| {
                let sent = wishes.request.get("authorization").unwrap_or_default();
                *reply = Reply::error(400, "DEBUG", &format!("{WORDS}: you sent {sent}"));
            });
            let stage = Stage::with(Setting { scheme, rules, ..Setting::default() });
            // That the secret is nowhere is checked with every story.
            let error = stage.play(Act::Push).unwrap().unwrap_err();
            assert!(error.to_string().contains(WORDS), "{error}");
        }
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    // Accounts are locked after a few.
    for (scheme, kind) in [(Scheme::Basic, Kind::Head), (Scheme::Bearer, Kind::Token)] {
        let answer = Fault::Answer(Reply::error(401, "UNAUTHORIZED", WORDS));
        let rules = vec![Rule::always(kind, answer)];
        let stage = Stage::with(Setting { scheme, rules, ..Setting::default() });
        let error = stage.play(Act::Push).unwrap().unwrap_err();
        assert_eq!(error.status(), Some(401), "{error:?}");
        assert!(error.hint().is_some());
        let tried = stage.proxy.entries();
        let tried = tried.iter().filter(|entry| {
            entry.head.get("authorization").is_some_and(|sent| sent.starts_with("Basic"))
        });
        // The answer to HEAD has no words, so it is asked once more as GET.
        assert!(tried.count() <= 2, "{kind:?}");
    }
}

#[test]
fn with_passwords_everything_arrives_too() {
    let stage = Stage::with(Setting { scheme: Scheme::Basic, ..Setting::default() });
    stage.play(Act::Push).unwrap().unwrap();
    let stage = Stage::with(Setting { scheme: Scheme::Basic, ..Setting::default() });
    stage.play(Act::Pull).unwrap().unwrap();
}

#[test]
fn a_certificate_that_is_not_trusted_gets_no_request() {
    let stage = Stage::with(Setting { tls: true, ..Setting::default() });
    let other = Stage::with(Setting { tls: true, ..Setting::default() });
    let pem = other.proxy.pem().unwrap().as_bytes().to_vec();
    let options = ClientOptions { authorities: vec![Authority::Pem(pem)], ..stage.options() };
    let client = Client::new(stage.client().reference().clone(), options).unwrap();
    let error = push_all(&client).unwrap_err();
    assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
    assert!(stage.proxy.entries().is_empty());
}
