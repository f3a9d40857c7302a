//! Broken and hostile images: `verify` tells each, `extract` refuses it and leaves nothing, and neither panics or hangs.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::handmade;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::peer::program;
use support::temp_dir;
use support::tool::{binary, tool};
use tar::{Builder, EntryType, Header};

const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An entry: name, kind, link target or content, as they stand in the archive.
type Item<'a> = (&'a str, EntryType, &'a str);

/// A tar of these entries, whatever their names are.
fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, kind, text) in items {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_mtime(1);
        let content = if *kind == EntryType::Regular { text.as_bytes() } else { b"" };
        header.set_size(content.len() as u64);
        // Past the checks of the crate, which makes no such archives.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if matches!(kind, EntryType::Link | EntryType::Symlink) {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, content).expect("appending an entry");
    }
    tar.into_inner().expect("ending an archive")
}

fn file<'a>(name: &'a str, content: &'a str) -> Item<'a> {
    (name, EntryType::Regular, content)
}

fn store(dir: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let hex = HEXLOWER.encode(&Sha256::digest(bytes));
    fs::write(dir.join("blobs/sha256").join(&hex), bytes).expect("writing a blob");
    json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()})
}

/// A layout of an image with these layers; each has a type, its blob, and its tar.
fn layout(dir: &Path, layers: &[(&str, &[u8], &[u8])]) -> PathBuf {
    let dir = dir.join("layout");
    fs::create_dir_all(dir.join("blobs/sha256")).expect("creating a layout");
    let blobs: Vec<Value> = layers.iter().map(|(kind, blob, _)| store(&dir, kind, blob)).collect();
    let diff_id = |tar: &[u8]| format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(tar)));
    let diff_ids: Vec<String> = layers.iter().map(|(_, _, tar)| diff_id(tar)).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config =
        store(&dir, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": blobs});
    let manifest = store(&dir, kind, manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(dir.join("index.json"), index.to_string()).expect("writing the index");
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writing");
    dir
}

/// A layout of an image with one layer, not packed.
fn plain(dir: &Path, items: &[Item<'_>]) -> PathBuf {
    let tar = tar_of(items);
    layout(dir, &[(PLAIN, &tar, &tar)])
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("listing a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// `verify` fails and tells a problem of this kind; without one, any.
#[track_caller]
fn told(image: &Path, kind: &str) {
    let outcome = tool(["verify".as_ref(), "--json".as_ref(), image.as_os_str()]).code(1);
    if !kind.is_empty() {
        let found = outcome.json();
        let kinds: Vec<&Value> =
            found["problems"].as_array().expect("a list").iter().map(|it| &it["kind"]).collect();
        assert!(kinds.contains(&&kind.into()), "expected `{kind}`, got {found}");
    }
}

/// `extract` fails, says so, and leaves nothing.
#[track_caller]
fn refused(image: &Path, says: &str) {
    let place = image.parent().expect("a folder");
    let before = names(place);
    let root = place.join("root");
    tool(["extract".as_ref(), image.as_os_str(), root.as_os_str()]).code(1).complains(says);
    assert_eq!(names(place), before);
}

#[test]
fn what_leads_out_is_refused() {
    use EntryType::{Block, Char, Directory, Link, Symlink};
    let long = "x/".repeat(45);
    let deep = format!("{long}../../y");
    for (items, kind, says) in [
        (vec![file("../x", "1")], "escape", "leads out of the image"),
        (vec![file("a/../../x", "1")], "escape", "leads out of the image"),
        (vec![file("/../x", "1")], "escape", "leads out of the image"),
        (vec![file(&deep, "1")], "escape", "leads out of the image"),
        (vec![("x", Link, "../../etc/passwd")], "escape", "leads out of the image"),
        (vec![("x", Link, "/etc/passwd")], "hard-link", "no file of the image"),
        (vec![("x", Link, "x")], "hard-link", "no file of the image"),
        (vec![("d", Directory, ""), ("x", Link, "d")], "hard-link", "no file of the image"),
        (
            vec![("l", Symlink, "/etc"), ("x", Link, "l/passwd")],
            "hard-link",
            "no file of the image",
        ),
        (
            vec![("l", Symlink, "/etc/passwd"), ("x", Link, "l")],
            "hard-link",
            "no file of the image",
        ),
        (vec![("l", Symlink, "/tmp"), file("l/x", "1")], "parent", "a symbolic link"),
        (vec![("l", Symlink, ".."), ("l/d", Directory, "")], "parent", "a symbolic link"),
        (vec![("l", Symlink, ".."), file("l/a/b", "1")], "parent", "a symbolic link"),
        (vec![file("f", "1"), file("f/x", "1")], "parent", "but a file"),
        (vec![file("f", "1"), file("f", "2")], "duplicate", "twice"),
        (vec![file("f", "1"), ("f", Symlink, "/etc")], "duplicate", "twice"),
        (vec![("d", Block, "")], "", "a block device"),
        (vec![("d", Char, "")], "", "a character device"),
    ] {
        let dir = temp_dir();
        let image = plain(dir.path(), &items);
        if !kind.is_empty() {
            told(&image, kind);
        }
        refused(&image, says);
        assert_eq!(names(dir.path()), ["layout"]);
    }
}

#[test]
fn what_only_looks_dangerous_stays_within() {
    use EntryType::{Directory, Symlink};
    let dir = temp_dir();
    let items = [
        file("/abs/file", "1"),
        ("./dot/./dir/", Directory, ""),
        ("out", Symlink, "../../../etc/passwd"),
        ("abs-link", Symlink, "/etc/passwd"),
    ];
    let image = plain(dir.path(), &items);
    tool(["verify".as_ref(), image.as_os_str()]).success();
    let root = dir.path().join("root");
    tool(["extract".as_ref(), image.as_os_str(), root.as_os_str()]).success();
    assert_eq!(names(&root), ["abs", "abs-link", "dot", "out"]);
    assert_eq!(fs::read_link(root.join("out")).expect("a link"), Path::new("../../../etc/passwd"));
    // What is there is not overwritten.
    tool(["extract".as_ref(), image.as_os_str(), root.as_os_str()])
        .code(1)
        .complains("there already");
}

#[test]
fn whiteouts_remove_what_is_below_and_nothing_else() {
    use EntryType::{Directory, Symlink};
    let dir = temp_dir();
    fs::write(dir.path().join("victim"), "still here").expect("a file");
    let below = tar_of(&[
        ("d", Directory, ""),
        file("d/a", "1"),
        file("d/b", "1"),
        ("gone", Directory, ""),
        file("gone/x", "1"),
        ("l", Symlink, "../.."),
        ("replaced", Directory, ""),
        file("replaced/x", "1"),
    ]);
    let above = tar_of(&[
        // Orders come behind what is new, name what is not there, and lead through links.
        file("d/new", "2"),
        file("d/.wh..wh..opq", ""),
        file(".wh.gone", ""),
        file(".wh.nothing", ""),
        file("l/.wh.victim", ""),
        ("replaced", Symlink, "d"),
        file(".wh..wh.plnk", ""),
    ]);
    let image = layout(dir.path(), &[(PLAIN, &below, &below), (PLAIN, &above, &above)]);
    let root = dir.path().join("root");
    tool(["extract".as_ref(), image.as_os_str(), root.as_os_str()]).success();
    assert_eq!(names(&root), ["d", "l", "replaced"]);
    assert_eq!(names(&root.join("d")), ["new"]);
    assert!(dir.path().join("victim").is_file());
    let files = tool(["inspect".as_ref(), "--files".as_ref(), image.as_os_str()]).success();
    assert!(!files.text().contains("gone"), "{}", files.text());
}

#[test]
fn bombs_end_early() {
    let dir = temp_dir();
    // A file of a gigabyte, of nothing but zeros.
    let mut header = Header::new_gnu();
    header.set_path("bomb").expect("a name");
    header.set_size(1 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(header.as_bytes()).expect("packing");
    let zeros = vec![0; 1 << 20];
    for _ in 0..1025 {
        packed.write_all(&zeros).expect("packing");
    }
    let blob = packed.finish().expect("packing");
    let image = layout(dir.path(), &[(GZIP, &blob, b"")]);
    told(&image, "bomb");
    refused(&image, "is no image but a bomb");
    let small = temp_dir();
    let image = plain(small.path(), &[file("a", "12345")]);
    let root = small.path().join("root");
    let flags = ["extract", "--max-size=4"].map(std::ffi::OsStr::new);
    tool(flags.into_iter().chain([image.as_os_str(), root.as_os_str()]))
        .code(1)
        .complains("--max-size");
}

#[test]
fn every_flipped_bit_and_every_cut_is_told() {
    peer!("nix-build", "tar");
    for compress in ["none", "gzip", "zstd"] {
        let dir = temp_dir();
        let archive = dir.path().join("image.tar");
        let mut make = binary();
        make.arg("oci").arg(&nix::store().itself).args(["--tag=app:1", "--max-layers=3"]);
        Outcome::of(make.args(["--compress", compress, "-o"]).arg(&archive)).success();
        let image = dir.path().join("layout");
        let read = Layout::unpacked(&archive, &image);
        tool(["verify".as_ref(), image.as_os_str()]).success();
        let blobs: Vec<PathBuf> = read
            .layers()
            .iter()
            .map(|layer| read.blob_file(layer))
            .chain([read.blob_file(&read.descriptor()), read.blob_file(&read.manifest()["config"])])
            .collect();
        for blob in &blobs {
            let right = fs::read(blob).expect("a blob");
            for part in 0..5 {
                let mut wrong = right.clone();
                let at = (right.len() - 1) * part / 4;
                wrong[at] ^= 1 << part;
                fs::write(blob, &wrong).expect("a blob");
                told(&image, "");
                fs::write(blob, &right[..at]).expect("a blob");
                told(&image, "");
            }
            fs::write(blob, [&right[..], b"\0"].concat()).expect("a blob");
            told(&image, "");
            fs::remove_file(blob).expect("a blob");
            told(&image, "");
            fs::write(blob, &right).expect("a blob");
        }
        let [one, two] = [&blobs[0], &blobs[1]].map(|blob| fs::read(blob).expect("a blob"));
        fs::write(&blobs[0], &two).expect("a blob");
        fs::write(&blobs[1], &one).expect("a blob");
        told(&image, "blob");
        refused(&image, "");
        fs::write(&blobs[0], &one).expect("a blob");
        fs::write(&blobs[1], &two).expect("a blob");
        lies(&image, compress == "none");
    }
}

/// Documents that say what is not so, each with all digests right.
#[track_caller]
fn lies(image: &Path, is_plain: bool) {
    let lie = |kind: &str, change: &dyn Fn(&mut Value, &mut Value)| {
        let dir = temp_dir();
        let copy = dir.path().join("layout");
        Outcome::of(Command::new("cp").arg("-a").arg(image).arg(&copy)).success();
        handmade::change(&copy, |config, manifest| change(config, manifest));
        told(&copy, kind);
    };
    lie("diff-id", &|config, _| {
        config["rootfs"]["diff_ids"].as_array_mut().expect("a list").swap(0, 1);
    });
    lie("config", &|config, _| {
        drop(config["rootfs"]["diff_ids"].as_array_mut().expect("a list").pop());
    });
    lie("config", &|config, _| drop(config["history"].as_array_mut().expect("a list").pop()));
    lie("blob", &|_, manifest| {
        let size = manifest["layers"][0]["size"].as_u64().expect("a size");
        manifest["layers"][0]["size"] = (size + 1).into();
    });
    lie("media-type", &|_, manifest| {
        manifest["layers"][0]["mediaType"] = if is_plain { GZIP } else { PLAIN }.into();
    });
    lie("media-type", &|_, manifest| manifest["layers"][0]["mediaType"] = "text/plain".into());
    lie("platform", &|config, _| config["os"] = "".into());
    // Another hash for a path, and a path that is not there.
    lie("nar-hash", &|config, _| {
        let text = config["history"][0]["created_by"].as_str().expect("a text");
        let (before, after) = text.split_once("paths=").expect("records");
        let other = if after.starts_with('A') { 'B' } else { 'A' };
        config["history"][0]["created_by"] = format!("{before}paths={other}{}", &after[1..]).into();
    });
    lie("store-path", &|config, _| {
        let text = config["history"][0]["comment"].as_str().expect("a text").to_owned();
        let other = format!("[\"/nix/store/{}-no\",", "0".repeat(32));
        config["history"][0]["comment"] = text.replacen('[', &other, 1).into();
    });
}

#[test]
fn a_closure_with_a_hole_is_told() {
    peer!("nix-build", "tar");
    let dir = temp_dir();
    let store = nix::store();
    let image = dir.path().join("layout");
    // All but one of the paths that the program needs.
    let mut paths = nix::requisites(&store.app);
    paths.retain(|path| Path::new(path) != store.data);
    handmade::layout(&image, &paths, &[store.app.to_str().expect("ASCII")]);
    let outcome = tool(["verify".as_ref(), image.as_os_str()]).code(1).complains("1 fault");
    let data = store.data.to_str().expect("ASCII");
    assert!(
        outcome.text().contains(&format!("refers to `{data}`, which is not in the image")),
        "{}",
        outcome.text()
    );
    tool(["verify".as_ref(), "--allow-dangling".as_ref(), image.as_os_str()]).success();
    // Whole, it is right, and compared with this machine's database.
    let whole = dir.path().join("whole");
    handmade::layout(&whole, &nix::requisites(&store.app), &[]);
    let found = tool(["verify".as_ref(), "--json".as_ref(), whole.as_os_str()]).success().json();
    assert_eq!(found["nar_hashes"], json!({"right": 3, "unknown": 0}));
}

#[test]
fn a_path_that_is_not_what_was_registered_is_told() {
    peer!("nix-build", "tar");
    let dir = temp_dir();
    let store = nix::store();
    let data = store.data.to_str().expect("ASCII");
    let name = data.trim_start_matches('/');
    let tar = tar_of(&[
        ("nix", EntryType::Directory, ""),
        ("nix/store", EntryType::Directory, ""),
        (name, EntryType::Directory, ""),
        file(&format!("{name}/greeting"), "something else\n"),
    ]);
    let image = layout(dir.path(), &[(PLAIN, &tar, &tar)]);
    told(&image, "nar-hash");
}

#[test]
fn a_plain_user_extracts_and_leaves_nothing_behind() {
    use EntryType::{Directory, Symlink};
    peer!("setpriv");
    let dir = temp_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("a mode");
    let mut tar = Builder::new(Vec::new());
    for (name, mode, kind) in
        [("d", 0o555, Directory), ("d/e", 0, Directory), ("d/s", 0o4755, EntryType::Regular)]
    {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        tar.append_data(&mut header, name, &b""[..]).expect("an entry");
    }
    let good = tar.into_inner().expect("a tar");
    let bad = tar_of(&[("l", Symlink, "/tmp"), file("l/x", "1")]);
    let image = layout(dir.path(), &[(PLAIN, &good, &good)]);
    // Others may not look into where it was built.
    let own = dir.path().join("closure2img");
    fs::copy(env!("CARGO_BIN_EXE_closure2img"), &own).expect("copying the tool");
    let user = |args: &[&std::ffi::OsStr]| {
        let mut command = Command::new(program("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        if !support::peer::is_root() {
            command = Command::new("env");
        }
        Outcome::of(
            command.arg(env!("CARGO_BIN_EXE_closure2img")).args(args).current_dir(dir.path()),
        )
    };
    let root = dir.path().join("root");
    user(&["extract".as_ref(), image.as_os_str(), root.as_os_str()]).success().complains("setuid");
    let mode = |name: &str| {
        fs::metadata(root.join(name)).expect("it is there").permissions().mode() & 0o7777
    };
    assert_eq!([mode("d"), mode("d/s")], [0o555, 0o755]);
    fs::rename(&image, dir.path().join("good")).expect("renaming");
    let image = layout(dir.path(), &[(PLAIN, &good, &good), (PLAIN, &bad, &bad)]);
    let out = dir.path().join("out");
    user(&["extract".as_ref(), image.as_os_str(), out.as_os_str()])
        .code(1)
        .complains("symbolic link");
    assert_eq!(names(dir.path()), ["closure2img", "good", "layout", "root"]);
}
