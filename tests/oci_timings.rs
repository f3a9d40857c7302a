//! `--timings`: where time went, for people on stderr and for programs in the JSON; and nothing else is different.

mod support;

use serde_json::Value;
use support::fake_http::FakeHttp;
use support::image::archive_digest;
use support::outcome::Outcome;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;

fn store(dir: &std::path::Path) -> ScanStore {
    let store = ScanStore::new(dir);
    // Twice the same, so that files are compared, too.
    for file in ["top/a", "top/b"] {
        store.file(file, vec![1; 10_000_000]);
    }
    store
}

fn oci(store: &ScanStore, flags: &[&str]) -> std::process::Command {
    let mut tool = binary();
    tool.arg("oci").arg(ScanStore::path("top")).arg("--store").arg(store.dir());
    tool.args(["--references", "scan"]).args(flags);
    tool
}

/// The threads that spent time on a stage, and how many bytes that were.
fn spent(timings: &Value, stage: &str) -> Vec<(String, u64)> {
    let threads = timings["threads"].as_array().expect("a list of threads").iter();
    let busy = threads.filter(|thread| thread[stage]["seconds"].as_f64().expect("a time") > 0.0);
    let told = busy.map(|thread| {
        let name = thread["name"].as_str().expect("a name");
        let bytes = thread[stage]["bytes"].as_u64().unwrap_or_default();
        (name.split(' ').next().expect("a kind").to_owned(), bytes)
    });
    told.collect()
}

#[test]
fn each_thread_and_stage_is_told() {
    let dir = temp_dir();
    let store = store(dir.path());
    let registry = FakeHttp::registry(|_| None);
    let name = format!("{}/app:1", registry.host());
    let flags = ["--timings", "--json", "--threads=2", "--progress=none", "--push", &name];
    let told = Outcome::of(&mut oci(&store, &flags)).success();
    // The registry has an image that is none, which is told before.
    let errors = told.errors();
    let lines: Vec<&str> = errors.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert!(lines[0].starts_with("seconds spent by each thread, of "), "{lines:?}");
    let stages = ["plan", "read", "tar", "hash", "compress", "wait", "write", "upload", "sum"];
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), stages);
    assert!(lines[2..].iter().any(|line| line.starts_with("compressor 1 ")), "{lines:?}");
    assert_eq!(lines.last().and_then(|line| line.split_whitespace().next()), Some("MB/s"));

    let timings = &told.json()["timings"];
    let bytes = |stage: &str, kind: &str| -> u64 {
        let threads = spent(timings, stage).into_iter();
        threads.filter(|(name, _)| name == kind).map(|(_, bytes)| bytes).sum()
    };
    assert!(bytes("read", "worker") >= 20_000_000, "once to compare, and the first to store it");
    assert!((10_000_000..12_000_000).contains(&bytes("compress", "compressor")));
    assert!(spent(timings, "upload").iter().any(|(kind, _)| kind == "upload"));
    for (stage, kind) in [("plan", "main"), ("wait", "main"), ("tar", "worker"), ("hash", "worker")]
    {
        assert!(spent(timings, stage).iter().any(|(name, _)| name == kind), "{stage} {kind}");
    }
    // The first thread's life is that of the program.
    let main = &timings["threads"].as_array().expect("a list");
    let main = main.iter().find(|thread| thread["name"] == "main 1").expect("the main thread");
    let sum: f64 = stages[..8].iter().filter_map(|stage| main[stage]["seconds"].as_f64()).sum();
    let wall = timings["wall"].as_f64().expect("a time");
    assert!((wall - sum).abs() < 0.1, "{sum} of {wall}");
}

#[test]
fn the_image_is_the_same() {
    let dir = temp_dir();
    let store = store(dir.path());
    for compress in ["--compress=gzip:1", "--compress=none"] {
        let timed = archive_digest(&mut oci(&store, &[compress, "--timings"]));
        assert_eq!(timed, archive_digest(&mut oci(&store, &[compress])));
    }
    let dir = temp_dir();
    let output = dir.path().join("app.tar");
    let silent =
        Outcome::of(oci(&store, &["--progress=none", "--json", "-o"]).arg(&output)).success();
    assert_eq!(silent.errors(), "");
    assert_eq!(silent.json().get("timings"), None);
}
