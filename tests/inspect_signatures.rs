//! Signatures beside ACIs, by real GnuPG, and what is attached to container images: told by `inspect`, judged by `verify`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use registry::{Client, ClientOptions, Manifest, Memory, Silent};
use serde_json::{Value, json};
use support::handmade;
use support::keyring::{ANN, EVE, Keyring, asc};
use support::outcome::Outcome;
use support::peer::program;
use support::registry::DockerRegistry;
use support::temp_dir;
use support::tool::{binary, tool};

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

/// An ACI with next to nothing in it.
fn aci(dir: &Path) -> PathBuf {
    let manifest = r#"{"acKind":"ImageManifest","acVersion":"0.8.11","name":"x/y"}"#;
    fs::write(dir.join("manifest"), manifest).expect("a manifest");
    fs::create_dir_all(dir.join("rootfs/etc")).expect("a folder");
    fs::write(dir.join("rootfs/etc/name"), "x").expect("a file");
    let image = dir.join("x.aci");
    let mut tar = Command::new(program("tar"));
    tar.arg("-C").arg(dir).args(["--sort=name", "-czf", text(&image), "manifest", "rootfs"]);
    Outcome::of(&mut tar).success();
    image
}

/// What `inspect --json` and `verify --json` say with the keys in `home`: the signature, and whether it fails.
#[track_caller]
fn judged(home: &Path, image: &Path, flags: &[&str]) -> (Value, Value) {
    let run = |verb: &str, flags: &[&str]| {
        let mut tool = binary();
        tool.env("GNUPGHOME", home).args([verb, "--json"]).args(flags).arg(image);
        Outcome::of(&mut tool)
    };
    let told = run("inspect", &[]).success().json();
    let verified = run("verify", flags);
    let found = verified.json();
    let ok = found["ok"].as_bool().expect("a verdict");
    verified.code(i32::from(!ok));
    (told["facts"]["signature"].clone(), found)
}

#[test]
fn signatures_beside_acis_are_judged() {
    peer!("gpg", "gpgconf", "tar");
    let (keys, dir, none) = (Keyring::new(), temp_dir(), temp_dir());
    let home = keys.home();
    let image = aci(dir.path());

    let (told, found) = judged(home, &image, &[]);
    assert_eq!((&told, &found["ok"], &found["signature"]), (&Value::Null, &true.into(), &told));

    keys.sign(&image, ANN);
    let (told, found) = judged(home, &image, &[]);
    assert_eq!(told["outcome"], "good", "{told}");
    assert_eq!(told["file"], text(&asc(&image)));
    assert_eq!(told["by"][0]["signer"], ANN);
    assert_eq!(
        (&found["ok"], &found["notes"], &found["signature"]),
        (&true.into(), &json!([]), &told)
    );
    let fingerprint = told["by"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert!(keys.gpg(&["--with-colons", "-k", ANN]).text().contains(&fingerprint));
    let mut shown = binary();
    let shown = Outcome::of(shown.env("GNUPGHOME", home).arg("inspect").arg(&image)).success();
    let line = format!("good, by {ANN} ({fingerprint})");
    assert!(shown.text().contains(&line), "{}", shown.text());

    // Without the key nobody can say, which is no fault, unless somebody wants to know it.
    for home in [none.path(), &none.path().join("absent")] {
        let (told, found) = judged(home, &image, &[]);
        assert_eq!((&told["outcome"], &found["ok"]), (&"unknown-key".into(), &true.into()));
        assert_eq!(found["notes"][0]["kind"], "signature");
        assert!(fingerprint.ends_with(told["by"][0]["key"].as_str().expect("a number")), "{told}");
    }
    // Looking has made nothing.
    assert_eq!(fs::read_dir(none.path()).expect("a folder").count(), 0);
    let [ann, eve] = [(ANN, "ann.asc"), (EVE, "eve.asc")].map(|(who, name)| {
        let file = dir.path().join(name);
        fs::write(&file, keys.gpg(&["--armor", "--export", who]).stdout).expect("a key");
        file
    });
    let (_, found) = judged(none.path(), &image, &["--signed-by", text(&ann)]);
    assert_eq!((&found["ok"], &found["signature"]["outcome"]), (&true.into(), &"good".into()));
    let (_, found) = judged(home, &image, &["--signed-by", text(&eve)]);
    assert_eq!((&found["ok"], &found["problems"][0]["kind"]), (&false.into(), &"signature".into()));

    let bytes = fs::read(&image).expect("an image");
    let mut other = bytes.clone();
    // Of the gzip header, the time: the tar is the same.
    other[4] ^= 1;
    fs::write(&image, &other).expect("an image");
    let (told, found) = judged(home, &image, &[]);
    assert_eq!((&told["outcome"], &told["by"][0]["signer"]), (&"bad".into(), &ANN.into()));
    assert_eq!(found["problems"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["problems"][0]["kind"], "signature");
    fs::write(&image, &bytes).expect("an image");

    keys.sign(&image, EVE);
    let (told, found) = judged(home, &image, &[]);
    assert_eq!((&told["outcome"], &found["ok"]), (&"expired".into(), &true.into()), "{told}");
    assert_eq!(told["by"][0]["caveat"], "the key has expired");
    assert_eq!(found["notes"][0]["kind"], "signature");

    for text in ["", "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n"] {
        fs::write(asc(&image), text).expect("no signature");
        let (told, found) = judged(home, &image, &[]);
        assert_eq!((&told["outcome"], &found["ok"]), (&"malformed".into(), &false.into()));
    }
    fs::remove_file(asc(&image)).expect("a signature");
    let (_, found) = judged(home, &image, &["--signed-by", text(&ann)]);
    assert_eq!(found["problems"][0]["text"], "it has no signature that could be checked");

    // Taken back by its owner.
    keys.sign(&image, ANN);
    let revocation = home.join(format!("openpgp-revocs.d/{fingerprint}.rev"));
    let revocation = fs::read_to_string(revocation).expect("gpg has made it with the key");
    let armed = dir.path().join("revoke");
    fs::write(&armed, revocation.replace("\n:-----", "\n-----")).expect("a revocation");
    keys.gpg(&["--import", text(&armed)]);
    let (told, found) = judged(home, &image, &[]);
    assert_eq!((&told["outcome"], &found["ok"]), (&"revoked".into(), &false.into()), "{told}");
}

/// An empty artifact with this subject, or none.
fn artifact(kind: &str, subject: Option<&Value>) -> Value {
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"});
    let mut artifact = json!({"schemaVersion": 2, "artifactType": kind, "config": empty, "layers": [empty],
        "mediaType": "application/vnd.oci.image.manifest.v1+json"});
    if let Some(subject) = subject {
        artifact["subject"] = subject.clone();
    }
    artifact
}

/// What `inspect` says is attached: kind, and by what.
#[track_caller]
fn attached(image: &str) -> Vec<(String, String)> {
    let told = tool(["inspect", "--json", image]).success().json();
    let all = told["oci"]["attached"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut all: Vec<_> = all.iter().map(|it| (text(&it["kind"]), text(&it["by"]))).collect();
    all.sort();
    all
}

#[test]
fn what_is_attached_to_a_container_image_is_told() {
    peer!("docker-registry", "skopeo", "tar");
    let dir = temp_dir();
    let layout = dir.path().join("layout");
    fs::write(dir.path().join("file"), "content").expect("a file");
    handmade::layout(&layout, &[dir.path().join("file")], &["/none"]);
    let registry = DockerRegistry::plain();
    let reference = registry.reference("app:1");
    tool(["copy", text(&layout), &reference]).success();
    assert_eq!(attached(&reference), []);
    assert_eq!(attached(text(&layout)), []);

    let index = fs::read(layout.join("index.json")).expect("an index");
    let mut index: Value = serde_json::from_slice(&index).expect("JSON");
    let image = index["manifests"][0].clone();
    let hex = image["digest"].as_str().expect("a digest")["sha256:".len()..].to_owned();
    let tag = format!("sha256-{hex}.sig");
    let client = Client::new(reference.parse().expect("a reference"), ClientOptions::default());
    let client = client.expect("a client");
    let push = |document: &Value| {
        let kind = document["mediaType"].as_str().expect("a type");
        Manifest::new(kind, document.to_string())
    };
    // The empty config of artifacts.
    client.ensure_blob(&Memory::new(*b"{}"), &Silent).expect("a blob");
    let spdx = push(&artifact("application/spdx+json", Some(&image)));
    client.put_referrer(&spdx).expect("a referrer");
    let signature = push(&artifact("", None));
    client.put_manifest(&tag, &signature.media_type, &signature.bytes).expect("a signature");
    let expected = [
        ("application/spdx+json".to_owned(), "subject".to_owned()),
        ("signature".to_owned(), format!("tag {tag}")),
    ];
    assert_eq!(attached(&reference), expected);
    // None of that is the image.
    tool(["verify", &reference]).success();

    // The same in a layout.
    for (manifest, name) in [(&spdx, None), (&signature, Some(&tag))] {
        let hex = manifest.digest.to_string();
        fs::write(layout.join("blobs/sha256").join(&hex[7..]), &manifest.bytes).expect("a blob");
        let mut entry = json!(manifest.descriptor());
        if let Some(name) = name {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        index["manifests"].as_array_mut().expect("a list").push(entry);
    }
    fs::write(layout.join("index.json"), index.to_string()).expect("an index");
    assert_eq!(attached(text(&layout)), expected);
    tool(["verify", text(&layout)]).success();
    let shown = tool(["inspect", text(&layout)]).success();
    assert!(shown.text().contains("attached"), "{}", shown.text());
}
