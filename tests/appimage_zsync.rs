//! Debian's `zsync` takes our `.zsync` files, and downloads what has changed and little more.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use closure2img::appimage::zsync::{Options, write};
use jiff::Timestamp;
use support::noise::noise;
use support::outcome::Outcome;
use support::peer::program;
use support::range_server::RangeServer;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::tool;

fn write_zsync(file: &Path) {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let zsync = File::create(file.with_file_name(format!("{name}.zsync"))).expect("creating");
    let options = Options { name, modified: Timestamp::from_second(1).expect("a time") };
    write(&File::open(file).expect("opening"), options, zsync).expect("writing the .zsync");
}

/// Downloads `name` with `old` at hand, and gives it back.
fn download(server: &RangeServer, name: &str, old: &Path, folder: &Path) -> Vec<u8> {
    let target = folder.join("downloaded");
    let mut zsync = Command::new(program("zsync"));
    zsync.arg("-i").arg(old).arg("-o").arg(&target);
    // Its temporary files and its own copy of the `.zsync` go to the current directory.
    zsync.current_dir(folder).env_remove("http_proxy").env("no_proxy", "*");
    Outcome::of(zsync.arg(server.url(&name.replace(' ', "%20")))).success();
    fs::read(target).expect("reading what was downloaded")
}

#[test]
fn zsync_downloads_what_has_changed() {
    peer!("zsync");
    let (published, client) = (temp_dir(), temp_dir());
    let old = noise(1, 3_000_000);
    let mut new = old.clone();
    // Something is put in, something changed, something removed, and the end is another.
    new.splice(500_000..500_000, noise(2, 10_001));
    new[1_200_000..1_203_000].copy_from_slice(&noise(3, 3000));
    new.drain(2_000_000..2_000_777);
    new.extend(noise(4, 5000));
    let old_file = client.path().join("old");
    fs::write(&old_file, &old).expect("writing");
    let new_file = published.path().join("Some App-x86_64.AppImage");
    fs::write(&new_file, &new).expect("writing");
    write_zsync(&new_file);

    let server = RangeServer::start(published.path());
    let name = "Some App-x86_64.AppImage.zsync";
    assert!(download(&server, name, &old_file, client.path()) == new, "another file");
    // 18,001 bytes are new. Each of the four places costs at most a block and a half more at both of its ends.
    let given = server.given_in_ranges();
    assert!((18_001..18_001 + 4 * 3 * 2048).contains(&given), "{given} bytes were downloaded");
}

#[test]
fn the_sums_are_those_of_zsyncmake() {
    peer!("zsyncmake");
    for length in [1, 2048, 2049, 100_000, 3_000_001] {
        let dir = temp_dir();
        let file = dir.path().join("file");
        fs::write(&file, noise(7, length)).expect("writing");
        write_zsync(&file);
        let theirs = dir.path().join("theirs");
        let mut zsyncmake = Command::new(program("zsyncmake"));
        zsyncmake.args(["-u", "file", "-o"]).arg(&theirs).arg(&file);
        Outcome::of(&mut zsyncmake).success();
        let [ours, theirs] = [dir.path().join("file.zsync"), theirs].map(|file| Zsync::read(&file));
        assert_eq!(ours.header, theirs.header, "{length} bytes");
        let blocks = length.div_ceil(2048);
        assert_eq!([ours.sums(blocks), theirs.sums(blocks)].map(|sums| sums.len()), [blocks; 2]);
        for (ours, theirs) in ours.sums(blocks).zip(theirs.sums(blocks)) {
            assert!(ours.0.ends_with(theirs.0) && ours.1.starts_with(theirs.1), "{length} bytes");
        }
    }
}

/// A `.zsync` file taken apart.
struct Zsync {
    /// But for the time, which is a setting, and the lengths of the sums, which we round up.
    header: Vec<String>,
    kept: [usize; 3],
    body: Vec<u8>,
}

impl Zsync {
    fn read(file: &Path) -> Self {
        let bytes = fs::read(file).expect("reading a .zsync");
        let end = bytes.windows(2).position(|two| two == b"\n\n").expect("an empty line");
        let text = std::str::from_utf8(&bytes[..end]).expect("text");
        let (varying, header): (Vec<&str>, Vec<&str>) = text
            .lines()
            .partition(|line| line.starts_with("MTime: ") || line.starts_with("Hash-Lengths: "));
        let lengths = varying.iter().find_map(|line| line.strip_prefix("Hash-Lengths: "));
        let mut lengths =
            lengths.expect("lengths").split(',').map(|text| text.parse().expect("a number"));
        let kept = [(); 3].map(|()| lengths.next().expect("three lengths"));
        let header = header.into_iter().map(str::to_owned).collect();
        Self { header, kept, body: bytes[end + 2..].to_vec() }
    }

    fn sums(&self, blocks: usize) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let [_, rolling, md4] = self.kept;
        assert_eq!(self.body.len(), blocks * (rolling + md4));
        self.body.chunks_exact(rolling + md4).map(move |sums| sums.split_at(rolling))
    }
}

/// A closure of twenty libraries and a program, of which some are of another release: their names have other hashes, and
/// so have the names in what refers to them.
fn release(dir: &Path, newer: &[usize]) -> PathBuf {
    let store = ScanStore::new(dir);
    let name = |number: usize| {
        let release = if newer.contains(&number) { 2 } else { 1 };
        format!("{release}-library-{number}-{release}.0")
    };
    let mut references = String::new();
    for number in 0..20 {
        let seed = number as u64 * 10;
        // Large enough for blocks of its own, and small enough for fragments. A new release has new bytes in both.
        let mut code = noise(seed + 1, 200_000 + number * 1000);
        let mut data = noise(seed + 2, 9000);
        if newer.contains(&number) {
            code[..50_000].copy_from_slice(&noise(seed + 3, 50_000));
            data[..1000].copy_from_slice(&noise(seed + 4, 1000));
        }
        store.file(&format!("{}/lib/code", name(number)), code);
        store.file(&format!("{}/share/data", name(number)), data);
        references.push_str(&ScanStore::path(&name(number)));
        references.push('\n');
    }
    let program = store.file("program-1.0/bin/program", format!("#!/bin/sh\n# {references}"));
    fs::set_permissions(program, PermissionsExt::from_mode(0o555)).expect("making it executable");
    let output = dir.join("Program-x86_64.AppImage");
    let [store, output] = [store.dir(), &output].map(|path| path.to_str().expect("ASCII"));
    let root = ScanStore::path("program-1.0");
    let from = ["appimage", &root, "--store", store, "--references", "scan", "--arch", "x86_64"];
    let update = "zsync|https://example.org/Program-x86_64.AppImage.zsync";
    let to = ["--name", "Program", "--update-information", update, "-o", output];
    tool([from.as_slice(), &to].concat()).success();
    output.into()
}

#[test]
fn an_update_of_an_appimage_costs_what_has_changed() {
    peer!("zsync");
    let (first, second, client) = (temp_dir(), temp_dir(), temp_dir());
    let old = release(first.path(), &[]);
    let new = release(second.path(), &[3, 9, 17]);
    let server = RangeServer::start(second.path());
    let expected = fs::read(&new).expect("reading the new release");
    let name = "Program-x86_64.AppImage.zsync";
    assert!(download(&server, name, &old, client.path()) == expected, "another file");
    // Three blocks of 128 KiB, three times 9,000 bytes in fragments, and the tables of some hundred inodes: of 4.4 MB.
    let given = server.given_in_ranges();
    assert!(expected.len() > 4_000_000, "{} bytes in all", expected.len());
    assert!(given < 600_000, "{given} bytes of {} were downloaded", expected.len());
}

#[test]
fn the_zsync_file_is_the_same_each_time() {
    let [a, b] = [temp_dir(), temp_dir()].map(|dir| {
        let image = release(dir.path(), &[]);
        fs::read(image.with_file_name("Program-x86_64.AppImage.zsync")).expect("a .zsync")
    });
    assert!(a == b && a.starts_with(b"zsync: 0.6.2\nFilename: Program-x86_64.AppImage\n"));
}
