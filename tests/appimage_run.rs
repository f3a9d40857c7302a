//! AppImages run where people run them: as root and as nobody, with and without FUSE, namespaces, `/proc` and a temporary
//! folder. The same program starts, its exit code is the application's, and nothing is left behind.

mod appimage_run_support;
mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use appimage_run_support::{App, BUSYBOX, Fuse, Machine, NOBODY, ROOT};
use support::outcome::Outcome;

const REPORT: &str = "echo \"args:$*\"; echo \"$GREETING\"; exit 7";
const REPORTED: &str = "args:a b  c\ntwo\nlines\n";

#[track_caller]
fn runs_by(machine: Machine, app: &App, engine: &str) {
    let outcome = machine.run(app, "a 'b  c'").code(7).prints(REPORTED);
    outcome.complains(&format!("engine `{engine}`\n"));
}

#[test]
fn each_machine_gets_the_best_way_that_works_there() {
    machines!();
    let app = App::with_store(REPORT);
    runs_by(ROOT, &app, "root");
    runs_by(Machine { fuse: Fuse::Absent, ..ROOT }, &app, "root-extract");
    runs_by(NOBODY, &app, "user");
    runs_by(Machine { no_new_privs: true, ..NOBODY }, &app, "user");
    runs_by(Machine { fuse: Fuse::Root, ..NOBODY }, &app, "user-extract");
    runs_by(Machine { fuse: Fuse::Absent, ..NOBODY }, &app, "user-extract");
    runs_by(Machine { namespaces: false, ..NOBODY }, &app, "extract");
    app.leaves_nothing();
}

#[test]
fn each_way_can_be_asked_for() {
    machines!();
    let app = App::with_store(REPORT);
    for (machine, engines) in [
        (ROOT, &["root", "root-extract", "fuse", "extract"][..]),
        (NOBODY, &["user", "user-extract", "extract"]),
    ] {
        for engine in engines {
            let arguments = format!("CLOSURE2IMG_ENGINE={engine} exec \"$1\" a 'b  c'");
            let outcome =
                Outcome::of(&mut machine.shell(&app, &arguments)).code(7).prints(REPORTED);
            outcome.complains(&format!("engine `{engine}`\n"));
        }
    }
    app.leaves_nothing();
    let wrong = Outcome::of(&mut ROOT.shell(&app, "CLOSURE2IMG_ENGINE=magic exec \"$1\""));
    wrong.code(127).complains("`magic`");
    let all =
        Outcome::of(&mut NOBODY.shell(&app, "CLOSURE2IMG_ENGINE=root,root-extract exec \"$1\""));
    all.code(127).complains("root: without the capability").complains("root-extract: without");
}

#[test]
fn setuid_fusermount_serves_a_store_at_another_path() {
    machines!();
    peer!("fusermount3");
    let script =
        "cat /proc/self/mountinfo | grep -c fuse.appimage; head -1 $APPDIR/AppRun; kill -TERM $$";
    let app = App::with_store(
        &script
            .replace("cat", "busybox cat")
            .replace("busybox", &format!("/nix/store/{BUSYBOX}/bin/busybox")),
    );
    let outcome = Outcome::of(&mut NOBODY.shell(&app, "CLOSURE2IMG_ENGINE=fuse \"$1\"; echo $?"));
    let outcome = outcome.success();
    let text = outcome.text();
    assert!(text.contains("#!/tmp/") && text.contains(&format!("/{BUSYBOX}/bin/sh")), "{text}");
    assert!(text.ends_with("143"), "{text}");
    app.leaves_nothing();
}

#[test]
fn a_plain_appdir_needs_no_namespace() {
    machines!();
    let app = App::plain(
        "readlink /proc/self/ns/mnt; readlink /proc/self/ns/user; cat \"$APPDIR/AppRun\" | head -1",
    );
    for machine in [ROOT, NOBODY] {
        if machine.nobody && !support::peer::require(&["fusermount3"]) {
            continue;
        }
        let script = "readlink /proc/self/ns/mnt; readlink /proc/self/ns/user; echo '#!/bin/sh'";
        let expected =
            Outcome::of(&mut machine.shell(&app, &format!("{script}; \"$1\""))).success();
        let lines: Vec<&str> = expected.text().lines().collect();
        assert_eq!(lines[..3], lines[3..], "{machine:?}");
        app.leaves_nothing();
    }
}

#[test]
fn environment_arguments_and_working_directory_are_the_callers() {
    machines!();
    let script = "echo \"$APPIMAGE|$ARGV0|$OWD|$PWD\"; ls \"$APPDIR/AppRun\"; echo here > 'new file'; ls /proc/self/fd | wc -w";
    let script = script
        .replace("ls ", &format!("/nix/store/{BUSYBOX}/bin/busybox ls "))
        .replace("wc", "busybox wc");
    let app = App::with_store(&format!(
        "busybox() {{ /nix/store/{BUSYBOX}/bin/busybox \"$@\"; }}\n{script}"
    ));
    let folder = app.folder.path().join("a folder with blänks 日本");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let moved = app.folder.path().join("My App — 1.AppImage");
    fs::hard_link(&app.file, &moved).unwrap();
    for machine in [
        ROOT,
        NOBODY,
        Machine { fuse: Fuse::Absent, ..NOBODY },
        Machine { namespaces: false, ..NOBODY },
    ] {
        let mut command = machine.shell(
            &app,
            "cd 'a folder with blänks 日本'; exec '../My App — 1.AppImage' 2>/dev/null",
        );
        let outcome = Outcome::of(&mut command).success();
        let lines: Vec<&str> = outcome.text().lines().collect();
        let (path, cwd) = (moved.to_str().unwrap(), folder.to_str().unwrap());
        assert_eq!(lines[0], format!("{path}|../My App — 1.AppImage|{cwd}|{cwd}"), "{machine:?}");
        assert!(lines[1].ends_with("/AppRun"), "{machine:?}");
        // As many descriptors as a program has that is started without us.
        let bare =
            Outcome::of(&mut machine.shell(&app, "busybox ls /proc/self/fd | wc -w")).success();
        assert_eq!(lines[2], bare.text(), "{machine:?}");
        fs::remove_file(folder.join("new file")).unwrap();
    }
}

#[test]
fn a_working_directory_that_is_covered_can_still_be_used() {
    machines!();
    let app = App::with_store(&format!(
        "cat() {{ /nix/store/{BUSYBOX}/bin/busybox cat \"$@\"; }}\ncat note"
    ));
    let script = "mkdir -p /nix; mount -t tmpfs tmpfs /nix; mkdir -p /nix/store/here; echo found > /nix/store/here/note
        cd /nix/store/here; exec \"$1\"";
    let made = fs::exists("/nix").unwrap();
    Outcome::of(&mut ROOT.shell(&app, script)).success().prints("found\n");
    if !made {
        fs::remove_dir("/nix").unwrap();
    }
}

#[test]
fn a_store_of_the_host_stays_visible() {
    machines!();
    let script = format!(
        "/nix/store/{BUSYBOX}/bin/busybox ls /nix/store; /nix/store/{BUSYBOX}/bin/busybox cat /nix/var/x"
    );
    let app = App::with_store(&script);
    let prepare = "mkdir -p /nix; mount -t tmpfs tmpfs /nix; mkdir -p /nix/store/99-host /nix/var; echo var > /nix/var/x;";
    let made = fs::exists("/nix").unwrap();
    let expected = format!("{BUSYBOX}\n99-host\nvar\n");
    let both = Outcome::of(&mut ROOT.shell(&app, &format!("{prepare} exec \"$1\""))).success();
    both.prints(&expected);
    let nobody = "exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \"$1\"";
    Outcome::of(&mut ROOT.shell(&app, &format!("{prepare} {nobody}"))).success().prints(&expected);
    // A host with /nix but no store in it.
    let bare = "mkdir -p /nix; mount -t tmpfs tmpfs /nix; mkdir /nix/var; echo var > /nix/var/x; exec \"$1\"";
    Outcome::of(&mut ROOT.shell(&app, bare)).success().prints(&format!("{BUSYBOX}\nvar\n"));
    if !made {
        fs::remove_dir("/nix").unwrap();
    }
}

#[test]
fn signals_end_it_as_they_end_the_application() {
    machines!();
    let app = App::with_store("kill -$1 $$; exit 3");
    for machine in [ROOT, NOBODY, Machine { namespaces: false, ..NOBODY }] {
        for (name, number) in [("KILL", 9), ("TERM", 15)] {
            let status = machine
                .shell(&app, &format!("exec \"$1\" {name}"))
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert_eq!(status.signal(), Some(number), "{machine:?}");
        }
    }
    app.leaves_nothing();
}

#[test]
fn a_service_that_drops_its_rights_can_read_the_image() {
    machines!();
    let drop = "/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
    let app = App::with_store(&format!(
        "umask 077; exec {drop} /nix/store/{BUSYBOX}/bin/sh -c 'busybox=/nix/store/{BUSYBOX}/bin/busybox; $busybox head -c4 $busybox | $busybox tail -c3; $busybox id -u'"
    ));
    for fuse in [Fuse::Open, Fuse::Root] {
        let machine = Machine { fuse, ..ROOT };
        Outcome::of(&mut machine.shell(&app, "umask 077; exec \"$1\""))
            .success()
            .prints("ELF65534\n");
    }
}

#[test]
fn a_signal_to_all_lets_the_application_finish() {
    machines!();
    let script = format!(
        "trap '/nix/store/{BUSYBOX}/bin/busybox cat $APPDIR/late; exit 7' TERM; echo ready; while :; do /nix/store/{BUSYBOX}/bin/busybox sleep 0.05; done"
    );
    let app = App::with_store_and(&script, |root| {
        fs::write(root.join("late"), "read after the signal\n").unwrap();
    });
    for machine in [ROOT, NOBODY] {
        let mut child = machine
            .shell(&app, "exec \"$1\"")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = [0; 6];
        let mut stdout = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
        let servers = app.processes();
        assert_eq!(servers.len(), 1, "the server");
        for signal in [
            rustix::process::Signal::TERM,
            rustix::process::Signal::INT,
            rustix::process::Signal::HUP,
        ] {
            let server = rustix::process::Pid::from_raw(servers[0].try_into().unwrap()).unwrap();
            rustix::process::kill_process(server, signal).unwrap();
        }
        sleep(Duration::from_millis(50));
        let application = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(application, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
        assert_eq!(
            (rest.as_str(), child.wait().unwrap().code()),
            ("read after the signal\n", Some(7))
        );
        app.leaves_nothing();
    }
}

#[test]
fn what_is_killed_leaves_nothing_and_two_get_along() {
    machines!();
    let app =
        App::with_store(&format!("echo ready; exec /nix/store/{BUSYBOX}/bin/busybox sleep 1000"));
    let engines = [
        (ROOT, "root"),
        (ROOT, "fuse"),
        (NOBODY, "user"),
        (ROOT, "root-extract"),
        (NOBODY, "extract"),
    ];
    for (machine, engine) in engines {
        let start = || {
            let script = format!("CLOSURE2IMG_ENGINE={engine} exec \"$1\"");
            let mut child = machine
                .shell(&app, &script)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let stdout = child.stdout.take().unwrap();
            (child, stdout)
        };
        // Both at once: each way has its own server, or waits for the other to unpack.
        let mut both = [start(), start()];
        for (child, stdout) in &mut both {
            let mut first = [0; 6];
            std::io::Read::read_exact(stdout, &mut first).unwrap();
            assert_eq!(&first, b"ready\n", "{engine}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        app.leaves_nothing();
    }
}

#[test]
fn folders_that_cannot_be_written_to_are_passed_over() {
    machines!();
    let app = App::with_store(REPORT);
    // What is unpacked goes to a `/tmp` that goes away.
    let user = Machine { namespaces: false, ..NOBODY }.user();
    let script = format!(
        "mount --bind . /mnt; mount -t tmpfs -o mode=1777 tmpfs /tmp; cd /mnt
         export TMPDIR=/proc HOME=/nowhere XDG_CACHE_HOME=/proc/sys
         exec {user} /mnt/App.AppImage a 'b  c'"
    );
    Outcome::of(&mut ROOT.shell(&app, &script)).code(7).prints(REPORTED);
    let plain = App::plain("exit 5");
    Outcome::of(&mut ROOT.shell(&plain, "TMPDIR=/proc exec \"$1\"")).code(5);
    plain.leaves_nothing();
}

#[test]
fn a_root_with_nothing_but_busybox_is_enough() {
    machines!();
    let app = App::with_store(&format!("/nix/store/{BUSYBOX}/bin/busybox ls / /dev; exit 6"));
    // A changed root, without /proc, /tmp and devices but one; then the same as the root of a namespace.
    let root = app.folder.path().join("bare");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::create_dir_all(root.join("dev")).unwrap();
    fs::copy(support::peer::find("busybox").unwrap(), root.join("bin/busybox")).unwrap();
    fs::copy(&app.file, root.join("app")).unwrap();
    Outcome::of(
        std::process::Command::new("mknod").arg(root.join("dev/fuse")).args(["c", "10", "229"]),
    )
    .success();
    let expected = "/:\napp\nbin\ndev\nnix\n\n/dev:\nfuse\n";
    for enter in [
        "chroot bare /app",
        "mount --rbind bare bare; cd bare; pivot_root . dev; exec /bin/busybox chroot . /app",
    ] {
        let outcome = Outcome::of(&mut ROOT.shell(&app, enter)).code(6);
        if enter.starts_with("chroot") {
            outcome.prints(expected).complains("engine `root`\n");
        }
    }
    app.leaves_nothing();
}
