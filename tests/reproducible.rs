//! The same store paths and options give the same bytes: on any number of threads, in any environment, with options in
//! any order, and at any time but the one asked for.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::image::{Layout, archive_digest as digest};
use support::nix;
use support::outcome::Outcome;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;

const COMPRESSIONS: [&str; 6] = ["gzip", "gzip:1", "zstd", "none", "zstd:chunked", "estargz"];

/// Names of files in `top` are not all UTF-8, as those of lazy layers must be.
fn root(compress: &str) -> &'static Path {
    let store = nix::store();
    if ["zstd:chunked", "estargz"].contains(&compress) { &store.app } else { &store.top }
}

/// `closure2img oci ROOT FLAG…`, as a command to add to.
fn oci(root: impl AsRef<Path>, flags: &[&str]) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg(root.as_ref()).args(flags);
    tool
}

#[test]
fn threads_do_not_show() {
    peer!("nix-build");
    for compress in COMPRESSIONS {
        let top = root(compress);
        for layers in ["100", "3", "2"] {
            let flags = ["--compress", compress, "--max-layers", layers, "--tmp", "--link-root"];
            let expected = digest(&mut oci(top, &flags));
            for threads in ["1", "2", "3", "8", "17"] {
                let got = digest(oci(top, &flags).args(["--threads", threads]));
                assert_eq!(got, expected, "{compress}, {layers} layers, {threads} threads");
            }
        }
    }
}

/// Text that compresses to about half, the same each time.
fn text(bytes: usize, mut seed: u32) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefgh ijklmn\n"[(seed >> 28) as usize]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn threads_that_share_a_layer_do_not_show() {
    let dir = temp_dir();
    let store = ScanStore::new(dir.path());
    // Larger than the blocks that are compressed at a time, and many small ones.
    store.file("large/file", text(9 << 20, 1));
    for number in 0..20 {
        let next = ScanStore::path(&format!("small-{}", number + 1));
        store.file(&format!("small-{number}/next"), next);
        store.file(&format!("small-{number}/text"), text(40_000 * number, 2));
    }
    store.file("small-20", ScanStore::path("large"));
    for compress in ["gzip", "zstd", "zstd:chunked", "estargz"] {
        let mut results = BTreeMap::new();
        for threads in ["1", "2", "3", "8", "8", "17"] {
            let flags = ["--compress", compress, "--max-layers=9", "--threads", threads];
            let got = digest(oci(store.real("small-0"), &flags).arg("--store").arg(store.dir()));
            results.insert(got, threads);
        }
        assert_eq!(results.len(), 1, "{compress}: {results:?}");
    }
}

#[test]
fn the_environment_does_not_show() {
    peer!("nix-build");
    for compress in COMPRESSIONS {
        let top = root(compress);
        let flags = ["--compress", compress, "--user=app:1000:1000"];
        let expected = digest(&mut oci(top, &flags));
        for (umask, zone, locale) in [
            ("077", "Pacific/Kiritimati", "C"),
            ("000", "America/St_Johns", "tr_TR.UTF-8"),
            ("022", "", "POSIX"),
        ] {
            let dir = temp_dir();
            let mut shell = binary();
            let tool = shell.get_program().to_owned();
            let mut other = Command::new("/bin/sh");
            other.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(tool);
            other.arg("oci").arg(top).args(flags).current_dir(dir.path());
            for (name, value) in shell.env("TZ", zone).env("LC_ALL", locale).get_envs() {
                match value {
                    Some(value) => other.env(name, value),
                    None => other.env_remove(name),
                };
            }
            other.env("HOME", dir.path()).env("TMPDIR", dir.path()).env("SOURCE_DATE_EPOCH", "9");
            assert_eq!(digest(&mut other), expected, "{compress}, {umask}, {zone}, {locale}");
        }
    }
}

#[test]
fn the_order_of_labels_does_not_show() {
    peer!("nix-build");
    let app = &nix::store().app;
    let flag = |kind: &str, number: usize| [format!("--{kind}"), format!("key-{number}={number}")];
    let flags =
        |kind: &str| -> Vec<[String; 2]> { (0..40).map(|number| flag(kind, number)).collect() };
    let mut all = [flags("label"), flags("annotation"), flags("env")].concat();
    let volumes = (0..20).map(|number| ["--volume".to_owned(), format!("/data/{number}")]);
    let ports = (1..20).map(|number| ["--expose".to_owned(), number.to_string()]);
    all.extend(volumes.chain(ports));
    let expected = digest(oci(app, &[]).args(all.iter().flatten()));
    for turn in [0, 7, 100] {
        all.rotate_left(turn);
        assert_eq!(digest(oci(app, &[]).args(all.iter().flatten())), expected);
    }
    all.reverse();
    assert_eq!(digest(oci(app, &[]).args(all.iter().flatten())), expected);
}

/// The configuration of the app's image, and the digests of its layers.
#[track_caller]
fn made(tool: &mut Command) -> (Value, Vec<Value>) {
    let dir = temp_dir();
    let layout = dir.path().join("layout");
    Outcome::of(tool.args(["--format=layout", "-o"]).arg(&layout)).success();
    let layout = Layout::at(&layout);
    let digests = layout.layers().into_iter().map(|layer| layer["digest"].clone()).collect();
    (layout.config(), digests)
}

#[test]
fn the_time_is_the_one_asked_for() {
    peer!("nix-build");
    let app = &nix::store().app;
    let (default, layers) = made(&mut oci(app, &[]));
    assert_eq!(default["created"], "1970-01-01T00:00:01Z");
    let same = ["2023-11-14T22:13:20Z", "2023-11-15T00:13:20+02:00", "1700000000"];
    for when in same.into_iter().chain(["SOURCE_DATE_EPOCH"]) {
        let mut tool = oci(app, &["--created", when]);
        let (config, others) = made(tool.env("SOURCE_DATE_EPOCH", "1700000000"));
        assert_eq!(config["created"], "2023-11-14T22:13:20Z", "{when}");
        for entry in config["history"].as_array().expect("a list") {
            assert_eq!(entry["created"], config["created"]);
        }
        assert_eq!(others, layers, "{when}");
        let digests: Vec<String> = [when, same[0]]
            .iter()
            .map(|when| {
                digest(oci(app, &["--created", when]).env("SOURCE_DATE_EPOCH", "1700000000"))
            })
            .collect();
        assert_eq!(digests[0], digests[1], "{when}");
    }

    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let before = now();
    let (config, others) = made(&mut oci(app, &["--created=now"]));
    let created = config["created"].as_str().expect("a time");
    let seconds = Outcome::of(Command::new("date").args(["-d", created, "+%s"])).success();
    let seconds: u64 = seconds.text().parse().expect("a number");
    assert!((before..=now()).contains(&seconds), "{created}");
    assert_eq!(others, layers);

    for when in ["SOURCE_DATE_EPOCH", "yesterday", ""] {
        let refused = Outcome::of(oci(app, &["--created", when]).args(["-o", "/dev/null"]));
        refused.code(2).prints("");
    }
}
