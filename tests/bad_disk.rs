//! Disks that are full, readers that leave, and signals: whatever comes, there is a whole image or
//! none, and nothing beside it.

mod support;

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::demo::{Demo, HELLO, explained};
use support::fake_http::{FakeHttp, Reply};
use support::outcome::Outcome;
use support::small_disk::SmallDisk;

/// Room for the layers of the demo when they are compressed, as none is larger than a page, and not for more.
const SIZE: &str = "16k";

#[test]
fn a_full_disk() {
    let demo = Demo::new();
    let Some(_disk) = SmallDisk::mount(&demo.path("disk"), SIZE) else { return };
    fs::write(demo.path("disk/app"), "kept").expect("writing a file");
    let hint = "hint: make room there, or let TMPDIR";
    for format in ["archive", "docker"] {
        for compress in ["none", "gzip"] {
            let mut oci = demo.ask("oci");
            oci.args(["-o", "disk/app", "--format", format, "--compress", compress]);
            demo.refuses(&mut oci, 1, &["disk", "No space left on device", hint]);
        }
    }
    for compress in ["none", "gzip"] {
        let mut oci = demo.ask("oci");
        oci.args(["-o", "disk/layout", "--format", "layout", "--compress", compress]);
        demo.refuses(&mut oci, 1, &["disk", "No space left on device", hint]);
    }
    let mut oci = demo.ask("oci");
    oci.args(["-o", "-", "--compress", "none"]).env("TMPDIR", demo.path("disk"));
    demo.refuses(&mut oci, 1, &["disk", "No space left on device", hint]);
}

#[test]
fn a_full_device() {
    let demo = Demo::new();
    let named = ["cannot write `/dev/full`", "No space left", "hint: make room there"];
    demo.refuses(demo.ask("oci").args(["-o", "/dev/full"]), 1, &named);
    let subcommands: [&[&str]; 5] = [
        &["oci", "-o", "-"],
        &["oci", "-o", "app.tar", "--json"],
        &["closure"],
        &["closure", "--json"],
        &["plan", "--json"],
    ];
    for words in subcommands {
        let full = File::options().write(true).open("/dev/full").expect("opening /dev/full");
        let mut command = demo.ask(words[0]);
        let outcome = Outcome::of(command.args(&words[1..]).stdout(full));
        explained(outcome, 1, &["No space left", "hint: make room there"]);
    }
}

#[test]
fn a_reader_that_leaves() {
    let demo = Demo::new();
    // More than a pipe holds.
    fs::write(demo.real(HELLO).join("large"), vec![7; 1 << 20]).expect("writing a file");
    let mut oci = demo.ask("oci");
    oci.args(["--references", "scan", "--compress", "none", "--progress", "none", "-o", "-"]);
    let mut child =
        oci.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting the tool");
    let mut reader = child.stdout.take().expect("a pipe");
    reader.read_exact(&mut [0; 10]).expect("ten bytes");
    drop(reader);
    let output = child.wait_with_output().expect("the end");
    // Half an image is a failure, unlike half a list.
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Broken pipe") && told.contains("hint: whoever read it"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

/// Starts the tool, waits until it is `ready`, given its process id, and sends it a signal.
#[track_caller]
fn killed(demo: &Demo, command: &mut Command, signal: &str, ready: impl Fn(u32) -> bool) {
    let before = demo.files();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starting");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ready(child.id()) {
        assert!(Instant::now() < deadline, "the tool never got so far");
        assert!(child.try_wait().expect("a state").is_none(), "the tool ended before");
        std::thread::yield_now();
    }
    let id = child.id().to_string();
    Outcome::of(Command::new("kill").args([signal, &id])).success();
    let status = child.wait().expect("the end");
    assert!(!status.success(), "{status}");
    demo.unchanged(&before);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let demo = Demo::new();
    // Sparse, so that the disk has little to do, and large enough that there is time.
    let large = File::create(demo.real(HELLO).join("large")).expect("creating a file");
    large.set_len(1 << 27).expect("setting a size");
    fs::write(demo.path("app.tar"), "kept").expect("writing a file");
    let writes = |id: u32| {
        let open = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|file| file.to_string_lossy().ends_with(" (deleted)"))
    };
    for signal in ["-TERM", "-KILL", "-INT"] {
        let mut oci = demo.ask("oci");
        oci.args(["--references", "scan", "--compress", "none", "-o", "app.tar"]);
        killed(&demo, &mut oci, signal, writes);
    }
}

#[test]
fn a_signal_in_the_middle_of_a_push_moves_no_tag() {
    let demo = Demo::new();
    fs::write(demo.path("app.tar"), "kept").expect("writing a file");
    for signal in ["-TERM", "-KILL"] {
        // It never answers an upload.
        let registry =
            FakeHttp::registry(|request| (request.method == "POST").then_some(Reply::Never));
        let mut oci = demo.ask("oci");
        oci.args(["-o", "app.tar", "--push", &format!("{}/app:1", registry.host())]);
        killed(&demo, &mut oci, signal, |_| registry.count("POST", "/uploads/") > 0);
        assert_eq!(registry.count("PUT", ""), 0);
    }
}
