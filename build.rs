//! Builds the program at the head of AppImages (`runtime/`), which `src/appimage/runtime.rs` embeds.
//!
//! By a `cargo` of its own: another profile, other flags and another target folder than the build around it, whose
//! settings must not get in. The bytes are the same whatever the folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The name of the binary in `runtime/Cargo.toml`.
const NAME: &str = "appimage-runtime";

/// What `runtime/src/arch/` has a file for.
const ARCHITECTURES: [&str; 1] = ["x86_64"];

/// Where type 2 AppImages say what they are, in the padding of the ELF header.
const MAGIC: (usize, [u8; 3]) = (8, *b"AI\x02");

/// Sections that others write into, with their sizes.
const SECTIONS: [(&str, usize); 4] =
    [(".upd_info", 1024), (".sha256_sig", 1024), (".sig_key", 8192), (".digest_md5", 16)];

fn main() {
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    for changed in ["build.rs", "Cargo.lock", "Cargo.toml", "runtime", "squashfs"] {
        println!("cargo::rerun-if-changed={changed}");
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    // Elsewhere the tool does without: other outputs need no runtime, and AppImages take one by `--runtime`.
    if !ARCHITECTURES.contains(&variable("CARGO_CFG_TARGET_ARCH").as_str()) {
        fs::write(out.join(NAME), []).expect("cannot write into cargo's folder");
        return;
    }
    // Checks, tests and builds of one profile share it, and the C code in it is compiled once.
    let folder = out.ancestors().nth(3).expect("cargo's own layout").join("appimage-runtime-build");
    let target = variable("TARGET");
    build(&source, &folder, &target);
    let built = folder.join(&target).join("runtime").join(NAME);
    let mut program = fs::read(&built)
        .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", built.display()));
    finish(&mut program);
    fs::write(out.join(NAME), program).expect("cannot write the runtime");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets `{name}`"))
}

fn build(source: &Path, folder: &Path, target: &str) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(source).args([
        "build",
        "--quiet",
        "--locked",
        "--package",
        "runtime",
        "--bin",
        NAME,
    ]);
    cargo
        .args([
            "--features",
            "standalone",
            "--profile",
            "runtime",
            "--target",
            target,
            "--target-dir",
        ])
        .arg(folder);
    // What configures the build around must not configure this one; where crates come from must.
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let foreign = [
            "CARGO_PROFILE_",
            "CARGO_BUILD_",
            "CARGO_FEATURE_",
            "CARGO_CFG_",
            "CARGO_PKG_",
            "CARGO_INCREMENTAL",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix));
        let flags = ["RUSTFLAGS", "RUSTDOCFLAGS", "CFLAGS"].iter().any(|part| name.contains(part));
        if foreign || flags {
            cargo.env_remove(name);
        }
    }
    for name in [
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
        "CARGO_TARGET_DIR",
        "TARGET",
        "HOST",
        "OUT_DIR",
    ] {
        cargo.env_remove(name);
    }
    // Hardening by the compiler of NixOS leans on a C library.
    cargo.env("NIX_HARDENING_ENABLE", "");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust_flags(source, folder).join("\u{1f}"));
    // Folders may have blanks in their names.
    let quoted = |flag: String| format!("'{}'", flag.replace('\'', "'\\''"));
    let flags: Vec<String> = c_flags(source, folder).into_iter().map(quoted).collect();
    cargo.env("CC_SHELL_ESCAPED_FLAGS", "1").env(format!("CFLAGS_{target}"), flags.join(" "));
    let status =
        cargo.status().unwrap_or_else(|error| panic!("cannot run cargo for the runtime: {error}"));
    assert!(status.success(), "the runtime of AppImages could not be built: {status}");
}

/// Folders whose names must not get into the program, and what is written instead.
fn folders(source: &Path, folder: &Path) -> Vec<(String, &'static str)> {
    let cargo =
        env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let mut all = vec![
        (source.display().to_string(), "/closure2img"),
        (folder.display().to_string(), "/target"),
    ];
    if let Ok(cargo) = cargo {
        all.insert(0, (cargo, "/cargo"));
    }
    all
}

fn rust_flags(source: &Path, folder: &Path) -> Vec<String> {
    let mut flags: Vec<String> = [
        "-Ctarget-feature=+crt-static",
        "-Crelocation-model=pie",
        "-Clink-arg=-nostdlib",
        "-Clink-arg=-nostartfiles",
        "-Clink-arg=-Wl,--gc-sections,--build-id=none,-z,norelro,-z,noexecstack,--no-eh-frame-hdr",
    ]
    .map(String::from)
    .into();
    flags.extend(
        folders(source, folder).iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")),
    );
    flags
}

fn c_flags(source: &Path, folder: &Path) -> Vec<String> {
    // No stack protector and no checked string functions: both live in the C library.
    let mut flags: Vec<String> = [
        "-O3",
        "-g0",
        "-fno-stack-protector",
        "-U_FORTIFY_SOURCE",
        "-fcf-protection=none",
        "-fno-asynchronous-unwind-tables",
        "-fvisibility=hidden",
        "-DZSTD_LEGACY_SUPPORT=0",
        "-DZSTD_STRIP_ERROR_STRINGS=1",
    ]
    .map(String::from)
    .into();
    flags.extend(
        folders(source, folder).iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")),
    );
    flags
}

/// Writes the magic and sees to it that the program is what AppImage tools expect.
fn finish(program: &mut [u8]) {
    let (at, magic) = MAGIC;
    program[at..at + magic.len()].copy_from_slice(&magic);

    let number = |at: usize, length: usize| -> usize {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(&program[at..at + length]);
        usize::try_from(u64::from_le_bytes(bytes)).expect("a size within memory")
    };
    let (table, count, names) = (number(0x28, 8), number(0x3c, 2), number(0x3e, 2));
    let section = |index: usize| {
        let at = table + 64 * index;
        (number(at, 4), number(at + 0x18, 8), number(at + 0x20, 8))
    };
    // Where the image will begin is reckoned from the ELF header: it must be where the file ends.
    let (_, start, size) = section(count - 1);
    assert_eq!(
        (table + 64 * count).max(start + size),
        program.len(),
        "the runtime does not end where its sections do"
    );

    let (_, strings, _) = section(names);
    for (name, size) in SECTIONS {
        let wanted = [name.as_bytes(), b"\0"].concat();
        let found =
            (0..count).map(section).find(|(at, ..)| program[strings + at..].starts_with(&wanted));
        let (_, start, length) =
            found.unwrap_or_else(|| panic!("the runtime has no section `{name}`"));
        assert_eq!(length, size, "the size of section `{name}`");
        assert!(
            program[start..start + length].iter().all(|byte| *byte == 0),
            "section `{name}` is not empty"
        );
    }
}
