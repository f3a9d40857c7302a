//! Signatures by real GnuPG: made, checked by us and by a script as appimagetool's users have it, and broken.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use closure2img::appimage::elf_head::{ElfHead, RuntimeFile, Section};
use closure2img::appimage::runtime;
use closure2img::appimage::signature::{SignatureError, Signer, Verdict, verify};
use closure2img::gpg::Signed;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::tool;

/// Runs the test named again, in a process of its own whose keyring is a throw-away one with a fresh key.
fn with_key(test: &str) -> bool {
    if std::env::var_os("C2I_TEST_KEY").is_some() {
        return true;
    }
    let home = temp_dir();
    let gpg = |args: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", home.path()).args(["--batch", "--quiet"]).args(args);
        Outcome::of(&mut gpg)
    };
    let key = "Ann Signer <ann@example.org>";
    gpg(&["--passphrase", "", "--quick-generate-key", key, "ed25519", "sign", "never"]).success();
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    again.args(["--exact", test, "--nocapture"]);
    again.env("GNUPGHOME", home.path()).env("C2I_TEST_KEY", "ann@example.org");
    let outcome = Outcome::of(&mut again);
    let mut kill = Command::new("gpgconf");
    kill.env("GNUPGHOME", home.path()).args(["--kill", "all"]);
    Outcome::of(&mut kill).success();
    outcome.success();
    false
}

/// Our runtime with something behind it that need not be an image.
fn unsigned(dir: &Path) -> (PathBuf, ElfHead) {
    let mut program =
        RuntimeFile::parse(runtime::embedded().expect("a runtime").to_vec()).expect("our runtime");
    let text = b"zsync|https://example.org/App.AppImage.zsync";
    program.set(Section::UpdateInformation, text).expect("update information fits");
    let path = dir.join("App.AppImage");
    fs::write(&path, [program.bytes(), &vec![7; 300_000]].concat()).expect("writing");
    let head = ElfHead::read(&File::open(&path).expect("opening")).expect("an ELF head");
    (path, head)
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("opening")
}

fn flip(path: &Path, offset: u64) {
    let file = open(path);
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("reading a byte");
    file.write_all_at(&[byte[0] ^ 1], offset).expect("writing a byte");
}

/// As people check what appimagetool signed, with GnuPG and coreutils only.
const BY_HAND: &str = r#"
set -eu
cp "$1" zeroed
section() { readelf -SW "$1" | sed 's/\[ *//' | awk -v name="$2" '$2 == name { print $5, $6 }'; }
for name in .sha256_sig .sig_key; do
  set -- "$1" $(section "$1" $name)
  dd if="$1" of=part$name bs=1 skip=$((0x$2)) count=$((0x$3)) status=none
  tr -d '\000' < part$name > text$name
  dd if=/dev/zero of=zeroed bs=1 seek=$((0x$2)) count=$((0x$3)) conv=notrunc status=none
done
printf %s "$(sha256sum zeroed | cut -d ' ' -f 1)" > digest
mkdir -m 700 other
gpg --homedir other --batch --import text.sig_key
gpg --homedir other --batch --verify text.sha256_sig digest
"#;

fn by_hand(dir: &Path, file: &Path) -> Outcome {
    let _ = fs::remove_dir_all(dir.join("other"));
    let mut script = Command::new("/bin/sh");
    Outcome::of(script.args(["-c", BY_HAND, "sh"]).arg(file).current_dir(dir).stdin(Stdio::null()))
}

#[test]
fn a_signature_is_made_and_checked() {
    peer!("gpg", "readelf");
    if !with_key("a_signature_is_made_and_checked") {
        return;
    }
    let dir = temp_dir();
    let (path, head) = unsigned(dir.path());
    let before = fs::read(&path).expect("reading");
    assert_eq!(verify(&path, None).expect("checking"), Verdict::Unsigned);

    let signer = Signer::new("ann@example.org").expect("the key is there");
    signer.sign(&open(&path), &head).expect("signing");
    let Verdict::Signed(Signed::Good { signer: by, fingerprint, caveat: None }) =
        verify(&path, None).expect("checking")
    else {
        panic!("not good")
    };
    assert_eq!(by, "Ann Signer <ann@example.org>");
    let fingerprints = Outcome::of(Command::new("gpg").args(["--batch", "--with-colons", "-k"]));
    assert!(fingerprints.text().contains(&format!(":{fingerprint}:")), "{fingerprint}");
    by_hand(dir.path(), &path).success().complains("Good signature from \"Ann Signer");

    // Only the two sections have changed.
    let mut after = fs::read(&path).expect("reading");
    for section in [Section::Signature, Section::Key] {
        let range = head.section(section).expect("a section");
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(after[range.clone()].starts_with(b"-----BEGIN PGP "), "{section:?}");
        after[range].fill(0);
    }
    assert!(after == before, "more than the sections has changed");

    // Signing again replaces the signature.
    signer.sign(&open(&path), &head).expect("signing again");
    assert!(matches!(verify(&path, None), Ok(Verdict::Signed(Signed::Good { .. }))));

    // A byte of the image, of the runtime, of the update information.
    let update = head.section(Section::UpdateInformation).expect("a section").start;
    for offset in [head.end() + 200_000, 0x100, update + 3] {
        flip(&path, offset);
        let signer = "Ann Signer <ann@example.org>".to_owned();
        assert_eq!(
            verify(&path, None).expect("checking"),
            Verdict::Signed(Signed::Bad { signer }),
            "byte {offset}"
        );
        by_hand(dir.path(), &path).failure().complains("BAD signature");
        flip(&path, offset);
    }
    assert!(matches!(verify(&path, None), Ok(Verdict::Signed(Signed::Good { .. }))));

    // Without the key nobody can say.
    let range = head.section(Section::Key).expect("a section");
    let size = usize::try_from(range.end - range.start).expect("a size");
    open(&path).write_all_at(&vec![0; size], range.start).expect("removing the key");
    let verdict = verify(&path, None).expect("checking");
    assert!(fingerprint.ends_with(match &verdict {
        Verdict::Signed(Signed::UnknownKey { key }) => key,
        other => panic!("{other:?}"),
    }));
}

#[test]
fn what_cannot_sign_is_told_before_any_work() {
    peer!("gpg");
    if !with_key("what_cannot_sign_is_told_before_any_work") {
        return;
    }
    for key in ["nobody@example.org", "--version", ""] {
        let error = Signer::new(key).expect_err("no such key");
        assert_eq!(error.to_string(), format!("`gpg` has no secret key for `{key}` to sign with"));
    }
    // A key with long names does not fit.
    for number in 0..4 {
        let name = format!("{} <{number}@example.org>", "Ann ".repeat(500));
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--passphrase", "", "--quick-add-uid", "ann@example.org", &name]);
        Outcome::of(&mut gpg).success();
    }
    let dir = temp_dir();
    let (path, head) = unsigned(dir.path());
    let error = Signer::new("ann@example.org").expect("a key").sign(&open(&path), &head);
    let error = error.expect_err("too large");
    assert!(error.to_string().starts_with("the public key needs "), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("smaller key")));
    assert_eq!(verify(&path, None).expect("checking"), Verdict::Unsigned);
}

#[test]
fn what_is_no_signature_is_told() {
    peer!("gpg");
    let dir = temp_dir();
    let (path, head) = unsigned(dir.path());
    let place = head.section(Section::Signature).expect("a section").start;
    // go-appimage's digest, which is that of the file without signature.
    let digest =
        Outcome::of(Command::new("sha256sum").arg(&path)).success().text()[..64].to_owned();
    open(&path).write_all_at(digest.as_bytes(), place).expect("writing");
    assert_eq!(verify(&path, None).expect("checking"), Verdict::DigestOnly { matches: true });
    flip(&path, head.end());
    assert_eq!(verify(&path, None).expect("checking"), Verdict::DigestOnly { matches: false });
    open(&path).write_all_at(&[b'x'; 70], place).expect("writing");
    assert_eq!(verify(&path, None).expect("checking"), Verdict::Malformed);

    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\n").expect("writing");
    assert!(matches!(verify(&script, None), Err(SignatureError::Head(_))));
}

/// An AppDir that needs nothing.
fn app_dir(dir: &Path) -> String {
    let app = dir.join("App");
    fs::create_dir_all(app.join("bin")).expect("creating an AppDir");
    fs::copy("/bin/busybox", app.join("bin/app")).expect("a program");
    app.into_os_string().into_string().expect("ASCII")
}

#[test]
fn the_tool_signs_what_it_makes() {
    peer!("gpg", "readelf", "busybox");
    if !with_key("the_tool_signs_what_it_makes") {
        return;
    }
    let dir = temp_dir();
    let app = app_dir(dir.path());
    let file = dir.path().join("App.AppImage");
    let output = file.to_str().expect("ASCII");
    let update = "zsync|https://example.org/App.AppImage.zsync";
    let args = ["appimage", &app, "--exec", "bin/app", "--name", "App", "-o", output];
    let args = [&args[..], &["--update-information", update]].concat();
    tool([args.as_slice(), &["--sign", "ann@example.org"]].concat()).success();
    assert!(matches!(verify(&file, None), Ok(Verdict::Signed(Signed::Good { .. }))));
    by_hand(dir.path(), &file).success();
    let head = ElfHead::read(&open(&file)).expect("an ELF head");
    let range = head.section(Section::UpdateInformation).expect("a section");
    let mut text = vec![0; update.len() + 1];
    open(&file).read_exact_at(&mut text, range.start).expect("reading the section");
    assert_eq!(text, format!("{update}\0").as_bytes());
    assert!(file.with_file_name("App.AppImage.zsync").is_file());

    // Nothing is made when it cannot be signed.
    fs::remove_file(&file).expect("removing");
    let outcome = tool([args.as_slice(), &["--sign", "bob@example.org"]].concat());
    outcome.code(1).complains("hint: name one of those that `gpg --list-secret-keys` shows");
    assert!(!file.exists());
    let bad = ["appimage", &app, "-o", output, "--update-information", "zsync|foo"];
    tool(bad).code(2).complains("the URL of the update information is `foo`, expected http");
    assert!(!file.exists());
}
