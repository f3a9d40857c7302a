//! Looking into what others make, `actool`, `buildah`, `mksquashfs`, and into our AppImages: told, verified, taken out; and
//! what stands in the way of that.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use closure2img::appimage::elf_head::ElfHead;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::app_dir::{app_dir, made};
use support::demo::{Demo, HELLO, ROOT};
use support::keyring::{ANN, Keyring};
use support::outcome::Outcome;
use support::peer::{is_root, program};
use support::temp_dir;
use support::tool::{binary, tool};
use support::tree::{Compare, assert_same_tree, tree_diff};

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

#[track_caller]
fn verified(image: &Path) -> Value {
    let found = tool(["verify", "--json", "--allow-dangling", text(image)]).success().json();
    assert_eq!((&found["ok"], &found["problems"]), (&true.into(), &json!([])), "{found}");
    found
}

/// The kinds of what `verify` finds wrong.
#[track_caller]
fn faults(image: &Path) -> Vec<String> {
    let found = tool(["verify", "--json", "--allow-dangling", text(image)]).code(1).json();
    let problems = found["problems"].as_array().expect("a list").clone();
    problems.iter().map(|it| it["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[track_caller]
fn extracted(image: &Path, dir: &Path) -> PathBuf {
    let root = dir.join(format!("{}-out", image.file_name().expect("a name").display()));
    tool(["extract", text(image), text(&root)]).success();
    root
}

#[track_caller]
fn told(image: &Path) -> Value {
    tool(["inspect", "--json", text(image)]).success().json()
}

/// The file with one bit of the byte at `offset` changed.
fn flipped(file: &Path, offset: u64) -> PathBuf {
    let other = file.with_extension("flipped");
    fs::copy(file, &other).expect("copying");
    let open = File::options().read(true).write(true).open(&other).expect("opening");
    let mut byte = [0];
    open.read_exact_at(&mut byte, offset).expect("a byte");
    open.write_all_at(&[byte[0] ^ 8], offset).expect("a byte");
    other
}

#[test]
fn our_app_images_are_looked_into() {
    peer!("gpg", "gpgconf");
    let demo = Demo::new();
    app_dir(&demo.path("Hello.AppDir"));
    made(&demo, ["Hello.AppDir", "-o", "plain.AppImage"]);
    let plain = demo.path("plain.AppImage");
    let described = told(&plain);
    assert_eq!(
        (&described["format"], &described["facts"]["machine"]),
        (&"AppImage".into(), &"amd64".into())
    );
    assert_eq!(
        (&described["facts"]["signature"], &described["layers"][0]["paths"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(verified(&plain)["store_paths"], 0);
    let compare = Compare { owner: false, mtime: false };
    let differences =
        tree_diff(&demo.path("Hello.AppDir"), &extracted(&plain, &demo.path("")), compare);
    assert_eq!(differences, Vec::<String>::new());

    // With a store, what is in it is known by its hashes.
    made(&demo, [ROOT, "-o", "store.AppImage", "--exec", "bin/hello", "--name", "Hello"]);
    let store = demo.path("store.AppImage");
    let described = told(&store);
    assert_eq!(
        (&described["store_dir"], &described["references"]["from"]),
        (&"/nix/store".into(), &"image".into())
    );
    let found = verified(&store);
    assert_eq!(found["nar_hashes"]["right"], found["store_paths"], "{found}");
    let root = extracted(&store, &demo.path(""));
    for path in [ROOT, HELLO] {
        let real = demo.real(path);
        let mut differences = tree_diff(&real, &root.join(&path[1..]), compare);
        // Nix makes them so, and this store is not Nix's.
        differences.retain(|it| !it.contains(": mode 0"));
        assert_eq!(differences, Vec::<String>::new());
    }
    let head = ElfHead::read(&File::open(&store).expect("opening")).expect("an ELF head");
    // Behind the superblock comes what files have.
    let kinds = faults(&flipped(&store, head.end() + 200));
    assert!(
        kinds.iter().all(|kind| ["nar-hash", "store-path", "tar"].contains(&&**kind)),
        "{kinds:?}"
    );

    // Signed, also what is in front of the image is known.
    let keys = Keyring::new();
    let signed = demo.path("signed.AppImage");
    let mut command = demo.command();
    command.env("GNUPGHOME", keys.home()).args(["appimage", "Hello.AppDir", "--sign", ANN, "-o"]);
    Outcome::of(command.arg(&signed)).success();
    assert_eq!(verified(&signed)["signature"]["outcome"], "good");
    let head = ElfHead::read(&File::open(&signed).expect("opening")).expect("an ELF head");
    let end = fs::metadata(&signed).expect("a file").len();
    for offset in [0x100, head.end() / 2, head.end() + 200, u64::midpoint(head.end(), end), end - 1]
    {
        let kinds = faults(&flipped(&signed, offset));
        assert!(kinds.contains(&"signature".to_owned()), "byte {offset}: {kinds:?}");
    }
    // And so is what is behind it, or lacks.
    let mut longer = fs::read(&signed).expect("a file");
    longer.push(0);
    let other = demo.path("longer.AppImage");
    fs::write(&other, &longer).expect("a file");
    assert!(faults(&other).contains(&"signature".to_owned()));
    fs::write(&other, &longer[..longer.len() - 5000]).expect("a file");
    let short = tool(["verify", text(&other)]);
    assert_eq!(short.code, Some(1), "{}", short.text());
}

/// A folder as `actool build` takes it.
fn aci_folder(dir: &Path) -> PathBuf {
    let folder = dir.join("folder");
    fs::create_dir_all(folder.join("rootfs/a b/c")).expect("folders");
    let manifest = r#"{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/x",
        "labels":[{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}]}"#;
    fs::write(folder.join("manifest"), manifest).expect("a manifest");
    let long = "x".repeat(150);
    for (name, content) in [("a b/c/file", "content"), ("a b/ünï", ""), (&*long, "long")] {
        fs::write(folder.join("rootfs").join(name), content).expect("a file");
    }
    std::os::unix::fs::symlink("../a b", folder.join("rootfs/link")).expect("a link");
    fs::hard_link(folder.join("rootfs/a b/c/file"), folder.join("rootfs/zz")).expect("a link");
    folder
}

/// Packs a file with a program.
#[track_caller]
fn packed(with: &str, from: &Path, to: &Path) {
    let mut pack = Command::new(program(with));
    let out = File::create(to).expect("a file");
    Outcome::of(pack.arg("-c").arg(from).stdout(Stdio::from(out))).success();
}

#[test]
fn acis_of_actool_are_right_however_they_are_packed() {
    peer!("actool", "bzip2", "gzip", "xz");
    let dir = temp_dir();
    let folder = aci_folder(dir.path());
    let image = dir.path().join("built.aci");
    let mut build = Command::new(program("actool"));
    Outcome::of(build.args(["build", "--no-compression"]).arg(&folder).arg(&image)).success();
    let id = told(&image)["facts"]["image_id"].as_str().expect("an ID").to_owned();
    let mut images = vec![(image.clone(), "none")];
    for with in ["gzip", "bzip2", "xz"] {
        let other = dir.path().join(format!("{with}.aci"));
        packed(with, &image, &other);
        images.push((other, with));
    }
    for (image, packing) in images {
        let described = told(&image);
        let facts = &described["facts"];
        assert_eq!((&facts["image_id"], &facts["compression"]), (&json!(id), &json!(packing)));
        assert_eq!(facts["manifest"]["name"], "example.com/x");
        verified(&image);
        assert_same_tree(&folder.join("rootfs"), &extracted(&image, dir.path()));
        // Of what was damaged, one kind or another is said.
        let bytes = fs::read(&image).expect("a file");
        if packing == "none" {
            let content = bytes.windows(7).position(|it| it == b"content").expect("a file");
            let damaged = flipped(&image, content as u64);
            assert_ne!(told(&damaged)["facts"]["image_id"], json!(id));
        } else {
            let damaged = flipped(&image, bytes.len() as u64 / 2);
            // What it is may not be told any more.
            tool(["verify", text(&damaged)]).code(1);
        }
    }
}

#[test]
fn what_an_aci_must_not_be_is_told_by_verify() {
    peer!("tar", "zstd");
    let dir = temp_dir();
    let folder = aci_folder(dir.path());
    let pack = |name: &str, flags: &[&str]| {
        let image = dir.path().join(name);
        let mut tar = Command::new(program("tar"));
        tar.arg("-C").arg(&folder).args(flags).arg("-cf").arg(&image).args(["manifest", "rootfs"]);
        Outcome::of(&mut tar).success();
        image
    };
    verified(&pack("good.aci", &["--sort=name"]));
    for (name, flags) in [("zstd.aci", "--zstd"), ("v7.aci", "--format=v7")] {
        if name == "v7.aci" {
            // That form has no room for such a name.
            fs::remove_file(folder.join("rootfs").join("x".repeat(150))).expect("a file");
        }
        assert!(faults(&pack(name, &[flags])).contains(&"aci".to_owned()), "{name}");
    }
    fs::write(folder.join("manifest"), "{}").expect("a manifest");
    let found = faults(&pack("empty.aci", &[]));
    assert!(found.iter().all(|kind| kind == "aci") && !found.is_empty(), "{found:?}");
}

#[test]
fn images_of_buildah_are_right() {
    peer!("buildah", "bzip2", "gzip", "xz");
    if !is_root() {
        return;
    }
    let dir = temp_dir();
    let policy = dir.path().join("policy.json");
    fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("a file");
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("data")).expect("a folder");
    fs::write(tree.join("data/file"), "content").expect("a file");
    fs::set_permissions(tree.join("data/file"), fs::Permissions::from_mode(0o750)).expect("a mode");
    let buildah = |args: &[&OsStr]| {
        let mut buildah = Command::new(program("buildah"));
        buildah.arg("--storage-driver=vfs").env("HOME", dir.path());
        for (flag, folder) in [("--root", "root"), ("--runroot", "run")] {
            buildah.arg(flag).arg(dir.path().join(folder));
        }
        Outcome::of(buildah.args(args)).success()
    };
    let policy = ["--signature-policy".as_ref(), policy.as_os_str()];
    let with = |args: &[&str], rest: &[&OsStr]| {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).chain(rest.iter().copied()).collect();
        buildah(&args)
    };
    let name =
        with(&["from"], &[policy[0], policy[1], "scratch".as_ref()]).text().trim().to_owned();
    with(&["add", &name], &[tree.as_os_str(), "/".as_ref()]);
    with(&["config", "--entrypoint", r#"["/data/file"]"#, "--label", "a=b", &name], &[]);
    for (format, kind) in [("oci", "oci-archive"), ("docker", "docker-archive"), ("oci", "oci")] {
        let image = dir.path().join(kind);
        let to = format!(
            "{kind}:{}:{}1",
            text(&image),
            if kind == "docker-archive" { "x:" } else { "" }
        );
        with(
            &["commit", "-q", "--format", format],
            &[policy[0], policy[1], name.as_ref(), to.as_ref()],
        );
        verified(&image);
        let described = told(&image);
        assert_eq!(described["oci"]["config"]["Labels"]["a"], "b", "{described}");
        assert_eq!(described["oci"]["config"]["Entrypoint"], json!(["/data/file"]));
        let compare = Compare { owner: true, mtime: false };
        let root = extracted(&image, dir.path());
        assert_eq!(
            tree_diff(&tree.join("data"), &root.join("data"), compare),
            Vec::<String>::new()
        );
    }
    with(&["rm"], &[name.as_ref()]);
    // Packed as a whole, too.
    for pack in ["bzip2", "gzip", "xz"] {
        let image = dir.path().join(pack);
        packed(pack, &dir.path().join("docker-archive"), &image);
        verified(&image);
    }
}

#[test]
fn mksquashfs_may_pack_as_it_likes_if_we_can_unpack() {
    peer!("mksquashfs");
    let dir = temp_dir();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("d")).expect("a folder");
    for (name, size) in [("empty", 0), ("small", 10), ("d/large", 400_000)] {
        let content: Vec<u8> = (0..size).map(|at: u32| (at / 7 % 251) as u8).collect();
        fs::write(tree.join(name), content).expect("a file");
    }
    fs::set_permissions(tree.join("small"), fs::Permissions::from_mode(0o741)).expect("a mode");
    let make = |with: &str, flags: &[&str]| {
        let image = dir.path().join(format!("{with}{}.sqfs", flags.concat()));
        let mut make = Command::new(program("mksquashfs"));
        make.arg(&tree).arg(&image).args(["-quiet", "-no-progress", "-comp", with]).args(flags);
        Outcome::of(&mut make).success();
        image
    };
    for with in ["gzip", "zstd"] {
        for flags in [
            &[][..],
            &["-b", "4096"],
            &["-no-fragments"],
            &["-noI", "-noD"],
            &["-no-exports", "-no-xattrs"],
        ] {
            let image = make(with, flags);
            verified(&image);
            assert_same_tree(&tree, &extracted(&image, dir.path()));
            fs::remove_file(&image).expect("an image");
        }
    }
    for with in ["xz", "lz4", "lzo"] {
        let image = make(with, &[]);
        for verb in ["inspect", "verify"] {
            tool([verb, text(&image)]).code(1).complains(with);
        }
    }
}

/// A tar of one large file of zeros, packed in pieces that are the same.
fn bomb(dir: &Path, with: &str) -> PathBuf {
    const PIECE: u64 = 64 << 20;
    const PIECES: u64 = 5;
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").expect("a name");
    header.set_size(PIECE * PIECES);
    header.set_mode(0o644);
    header.set_cksum();
    let pack = |mut input: &mut dyn Read| match with {
        "gzip" => {
            let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::best());
            std::io::copy(&mut input, &mut packed).expect("packing");
            packed.finish().expect("packing")
        }
        _ => zstd::stream::encode_all(input, 3).expect("packing"),
    };
    let file = dir.join(format!("bomb.{with}"));
    let mut bytes = pack(&mut header.as_bytes().as_slice());
    let piece = pack(&mut std::io::repeat(0).take(PIECE));
    (0..PIECES).for_each(|_| bytes.extend_from_slice(&piece));
    fs::write(&file, bytes).expect("a file");
    file
}

#[test]
fn an_archive_that_is_a_bomb_as_a_whole_is_refused() {
    let dir = temp_dir();
    for with in ["gzip", "zstd"] {
        let bomb = bomb(dir.path(), with);
        for args in [&["inspect"][..], &["verify"], &["copy"]] {
            let mut command = binary();
            command.args(args).arg(&bomb).env("TMPDIR", dir.path());
            if args == ["copy"] {
                command.arg(dir.path().join("copy.tar"));
            }
            let outcome = Outcome::of(&mut command).code(1);
            outcome
                .complains("over 200 times as many")
                .complains("hint: if you trust it, unpack it yourself");
        }
        assert!(!dir.path().join("copy.tar").exists());
        fs::remove_file(bomb).expect("removing");
    }
    // Nothing is left in the folder for passing files.
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

#[test]
fn what_a_killed_run_has_left_is_removed_and_what_another_fills_is_not() {
    let dir = temp_dir();
    let tar = dir.path().join("rootfs.tar");
    let folder = aci_folder(dir.path());
    peer!("tar");
    let mut make = Command::new(program("tar"));
    make.arg("-C").arg(&folder).arg("-cf").arg(&tar).args(["manifest", "rootfs"]);
    Outcome::of(&mut make).success();
    let [left, filled, theirs, other] = [
        ".root.closure2img-abcdef",
        ".root.closure2img-123456",
        ".root.closure2img-toolong",
        ".rootx",
    ]
    .map(|name| dir.path().join(name));
    for dir in [&left, &filled, &theirs, &other] {
        fs::create_dir_all(dir.join("nix/store")).expect("a folder");
        fs::write(dir.join("nix/store/file"), "").expect("a file");
        fs::set_permissions(dir.join("nix/store"), fs::Permissions::from_mode(0o555))
            .expect("a mode");
    }
    let lock = File::open(&filled).expect("a folder");
    lock.lock().expect("a lock");
    tool(["extract", text(&tar), text(&dir.path().join("root"))]).success();
    assert!(!left.exists(), "nobody fills it");
    assert!(filled.exists() && theirs.exists() && other.exists());
    drop(lock);
    fs::remove_dir_all(dir.path().join("root")).expect("removing");
    tool(["extract", text(&tar), text(&dir.path().join("root"))]).success();
    assert!(!filled.exists());
    for dir in [&theirs, &other] {
        fs::set_permissions(dir.join("nix/store"), fs::Permissions::from_mode(0o755))
            .expect("a mode");
    }
}

#[test]
fn devices_are_told_and_no_fault() {
    let dir = temp_dir();
    let mut tar = tar::Builder::new(File::create(dir.path().join("x.aci")).expect("a file"));
    let manifest = br#"{"acKind":"ImageManifest","acVersion":"0.8.11","name":"x"}"#;
    let entries = [
        ("manifest", tar::EntryType::Regular, &manifest[..]),
        ("rootfs", tar::EntryType::Directory, b""),
        ("rootfs/null", tar::EntryType::Char, b""),
        ("rootfs/pipe", tar::EntryType::Fifo, b""),
    ];
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_device_major(1).expect("a number");
        header.set_device_minor(3).expect("a number");
        tar.append_data(&mut header, name, content).expect("an entry");
    }
    tar.finish().expect("a tar");
    let image = dir.path().join("x.aci");
    let notes = verified(&image)["notes"].clone();
    assert_eq!(
        (&notes[0]["kind"], &notes[0]["place"]),
        (&"device".into(), &"/null".into()),
        "{notes}"
    );
    assert_eq!(notes.as_array().map(Vec::len), Some(1));
    let shown = tool(["verify", text(&image)]).success();
    assert!(shown.text().contains("note: /null: it is a character device"), "{}", shown.text());
    tool(["extract", text(&image), text(&dir.path().join("out"))])
        .code(1)
        .complains("--skip-devices");
}
