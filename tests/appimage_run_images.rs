//! Images of every kind run: compressed in each way, huge, with paths across the borders of blocks, cut off and damaged.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod appimage_run_support;
mod support;

use std::fs;

use appimage_run_support::{App, BUSYBOX, Machine, NOBODY, Packer, ROOT};
use support::noise::noise;
use support::outcome::Outcome;

const BLOCK: usize = 128 * 1024;

/// What is replaced.
const PATH: &[u8] = b"/nix/store/";

/// Runs it by that engine, which must be the one that is taken.
#[track_caller]
fn by(machine: Machine, app: &App, engine: &str) -> Outcome {
    let script = format!("CLOSURE2IMG_ENGINE={engine} exec \"$1\"");
    let outcome = Outcome::of(&mut machine.shell(app, &script)).code(7);
    outcome.complains(&format!("engine `{engine}`\n"))
}

#[test]
fn every_engine_reads_every_compression() {
    machines!();
    let script = format!(
        "b=/nix/store/{BUSYBOX}/bin/busybox; $b sha256sum <\"$APPDIR/data\"; $b tail -c5 \"$APPDIR/data\"; exit 7"
    );
    // Some blocks that compress, some that do not, an end, and a hole.
    let mut data = noise(1, 2 * BLOCK + 100);
    data.extend(b"compresses well ".repeat(30_000));
    data.extend(vec![0; 3 * BLOCK]);
    data.extend(b"end.\n");
    let sum = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(&data));
    for packer in [
        Packer::Ours(&["--compress", "gzip"]),
        Packer::Ours(&["--compress", "none"]),
        Packer::Ours(&["--compress", "zstd:3", "--block-size", "1M"]),
        Packer::Mksquashfs(&["-comp", "gzip", "-b", "4K"]),
        Packer::Mksquashfs(&["-noI", "-noD", "-noF", "-noX"]),
    ] {
        let app = App::with_store_by(packer, &script, |root| {
            fs::write(root.join("data"), &data).unwrap();
        });
        for (machine, engines) in [
            (ROOT, &["root", "root-extract", "fuse", "extract"][..]),
            (NOBODY, &["user", "user-extract"]),
        ] {
            for engine in engines {
                by(machine, &app, engine).prints(&format!("{sum}  -\nend.\n"));
            }
        }
        app.leaves_nothing();
    }
}

#[test]
fn an_image_of_54_500_inodes_starts_and_is_read() {
    machines!();
    let script = format!(
        "b=/nix/store/{BUSYBOX}/bin/busybox; cd \"$APPDIR/many\"; $b cat 544/99 300/7; $b find . -type f | $b wc -l; exit 7"
    );
    let app = App::with_store_by(Packer::Ours(&["--compress", "zstd:1"]), &script, |root| {
        for folder in 0..545 {
            let path = root.join("many").join(folder.to_string());
            fs::create_dir_all(&path).unwrap();
            for file in 0..100 {
                fs::write(path.join(file.to_string()), format!("{folder} {file}\n")).unwrap();
            }
        }
    });
    for (machine, engine) in [(ROOT, "root"), (NOBODY, "user")] {
        by(machine, &app, engine).prints("544 99\n300 7\n54500\n");
    }
    app.leaves_nothing();
}

#[test]
fn paths_are_replaced_wherever_blocks_end() {
    machines!();
    peer!("fusermount3");
    let mut borders = b"some other text ".repeat(14 * BLOCK / 16 + 100);
    for cut in 0..=PATH.len() {
        let at = (cut + 1) * BLOCK - cut;
        borders[at..at + PATH.len()].copy_from_slice(PATH);
    }
    // One that overlaps the next, with the border in the first or the second.
    for (block, cut) in [(13, 5), (14, 15)] {
        let at = block * BLOCK - cut;
        borders[at..at + 21].copy_from_slice(b"/nix/store/nix/store/");
    }
    borders.extend(b"and at the end /nix/store/");
    let script = format!(
        "b=/nix/store/{BUSYBOX}/bin/busybox; $b head -n1 \"$APPDIR/AppRun\"; $b cat \"$APPDIR/borders\"
         $b dd bs=4999 2>/dev/null <\"$APPDIR/borders\"; $b tail -c +131070 \"$APPDIR/borders\"; exit 7"
    );
    for packer in [Packer::Ours(&[]), Packer::Ours(&["--compress", "none"])] {
        let app = App::with_store_by(packer, &script, |root| {
            fs::write(root.join("borders"), &borders).unwrap();
        });
        for engine in ["fuse", "extract"] {
            let stdout = by(NOBODY, &app, engine).stdout;
            let (prefix, rest) = (
                &stdout[2..13],
                &stdout[stdout.iter().position(|byte| *byte == b'\n').unwrap() + 1..],
            );
            assert!(
                prefix.starts_with(b"/") && prefix.ends_with(b"/") && prefix != PATH,
                "{engine}"
            );
            let mut expected = borders.clone();
            for at in 0..borders.len() {
                if borders[at..].starts_with(PATH) {
                    expected[at..at + PATH.len()].copy_from_slice(prefix);
                }
            }
            let thrice = [&expected[..], &expected, &expected[131_069..]].concat();
            assert!(rest == thrice, "{engine}: {} bytes, expected {}", rest.len(), thrice.len());
        }
        app.leaves_nothing();
    }
}

/// An AppDir without a store whose script is the host's to run, so that no program comes from a damaged image.
fn readable() -> (App, String) {
    let data: String = noise(1, 300_000).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let app = App::build_by(Packer::Ours(&[]), "Plain.AppImage", |root| {
        for (name, text) in
            [("AppRun", "#!/bin/sh\nset -e; cat \"$APPDIR/data\"; exit 7\n"), ("data", &data)]
        {
            fs::write(root.join(name), text).unwrap();
        }
        fs::create_dir(root.join("folder")).unwrap();
        std::os::unix::fs::symlink("data", root.join("link")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(root.join("AppRun"), executable).unwrap();
    });
    (app, data)
}

/// Runs all variants and unpacks them; gives exit codes of both, and what was printed.
fn all(app: &App, variants: &[(String, Vec<u8>)]) -> Vec<(i32, i32, Vec<u8>)> {
    let out = app.folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for (name, bytes) in variants {
        app.variant(name, bytes);
    }
    // One that hangs is killed; that and what ends by a signal gives 128 and more.
    let script = "for f in Plain.-*; do
            rm -rf squashfs-root; a=0; b=0
            timeout -s KILL 20 \"./$f\" >out/$f 2>/dev/null || a=$?
            timeout -s KILL 20 \"./$f\" --appimage-extract >/dev/null 2>&1 || b=$?
            echo \"$a $b\" >>out/$f
        done; rm -rf squashfs-root";
    Outcome::of(&mut ROOT.shell(app, script)).success();
    app.leaves_nothing();
    let read = |(name, _): &(String, Vec<u8>)| {
        let mut printed = fs::read(out.join(name)).unwrap();
        printed.pop();
        let at = printed
            .iter()
            .rposition(|byte| !byte.is_ascii_digit() && *byte != b' ')
            .map_or(0, |at| at + 1);
        let codes = String::from_utf8(printed.split_off(at)).unwrap();
        let (run, extract) = codes.split_once(' ').unwrap();
        let codes = [run, extract].map(|code| code.parse().unwrap());
        assert!(codes.iter().all(|code| *code < 128), "{name} hung or crashed: {codes:?}");
        (codes[0], codes[1], printed)
    };
    variants.iter().map(read).collect()
}

#[test]
fn images_that_are_cut_off_say_so() {
    machines!();
    let (app, data) = readable();
    let whole = fs::read(&app.file).unwrap();
    let (runtime, used) = image_in(&whole);
    let lengths = [0, 1, 50, 95, 96, 97, 5000, 131_072]
        .map(|more| runtime + more)
        .into_iter()
        .chain((1..40).map(|part| runtime + (used - runtime) * part / 40))
        .chain([1, 2, 8, 9, 30, 100, 200].map(|less| used - less));
    let variants: Vec<_> =
        lengths.map(|length| (format!("Plain.-{length}"), whole[..length].to_vec())).collect();
    for ((name, _), (run, extract, printed)) in variants.iter().zip(all(&app, &variants)) {
        assert!(
            run != 7 || printed == data.as_bytes(),
            "{name} succeeded with {} bytes",
            printed.len()
        );
        assert!(run != 0 && extract == 1, "{name}: {run} {extract}");
    }
}

#[test]
fn no_damage_makes_it_hang_or_crash() {
    machines!();
    let (app, _) = readable();
    let whole = fs::read(&app.file).unwrap();
    let (runtime, used) = image_in(&whole);
    let tables = runtime + number(&whole, runtime + 64);
    let spread = |from: usize, to: usize, count: usize| {
        (0..count).map(move |index| from + (to - from) * index / count)
    };
    let places = (runtime..runtime + 96).chain(spread(tables, used, 40)).chain(spread(
        runtime + 96,
        tables,
        20,
    ));
    let mut variants = Vec::new();
    for (index, at) in places.enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (index % 8);
        variants.push((format!("Plain.-{at}-{index}"), bytes));
        // Whole bytes in the places that tell where all else is.
        if at < runtime + 96 && index % 3 == 0 {
            let mut bytes = whole.clone();
            bytes[at] = !bytes[at];
            variants.push((format!("Plain.-{at}-{index}-all"), bytes));
        }
    }
    let outcomes = all(&app, &variants);
    // Most of it is noticed: SquashFS has no sums over what is in it, but its own structure is checked.
    let noticed = outcomes.iter().filter(|(run, ..)| *run != 7).count();
    assert!(noticed * 3 > variants.len(), "{noticed} of {} were noticed", variants.len());
}

/// Where the image in an AppImage begins, and where what it needs of the file ends.
fn image_in(whole: &[u8]) -> (usize, usize) {
    let runtime = closure2img::appimage::runtime::embedded().expect("a runtime").len();
    (runtime, runtime + number(whole, runtime + 40))
}

/// Eight bytes of the superblock.
fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}
