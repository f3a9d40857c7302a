//! Command lines that cannot be: exit code 2, before anything is read or written.

mod support;

use std::fs;
use std::process::Command;

use support::demo::Demo;
use support::outcome::Outcome;
use support::tool::binary;

/// Values that no flag of `oci` takes, and what the message says of each.
const VALUES: &[(&[&str], &[&str])] = &[
    (&["--max-layers", "0"], &["`0`", "1 to 127"]),
    (&["--max-layers", "128"], &["`128`", "1 to 127"]),
    (&["--max-layers", "-1"], &["`-1`", "1 to 127"]),
    (&["--max-layers", "x"], &["`x`", "1 to 127"]),
    (&["--max-layers", ""], &["``", "1 to 127"]),
    (&["--max-layers", "1", "--tmp"], &["`--max-layers 1`", "hint: raise it"]),
    (&["--tag", "UPPER"], &["`UPPER`", "lower-case"]),
    (&["--tag", "a//b"], &["`a//b`", "empty"]),
    (&["--tag", ""], &["expected `[HOST"]),
    (&["--tag", "a:b:c"], &["`a:b:c`", "expected"]),
    (&["--tag", "x@sha256:zz"], &["`sha256:zz`", "64 lower-case"]),
    (&["--strategy", "magic"], &["`magic`"]),
    (&["--compress", "xz"], &["`xz`", "`gzip[:1-9]`"]),
    (&["--compress", "gzip:99"], &["`gzip:99`", "`gzip[:1-9]`"]),
    (&["--compress", "zstd:0"], &["`zstd:0`", "`zstd[:1-19]`"]),
    (&["--format", "zip"], &["'zip'", "archive, layout, docker"]),
    (&["--format", "docker", "--compress", "zstd"], &["zstd", "hint: use `--compress gzip`"]),
    (&["--arch", "z80"], &["`z80`", "amd64"]),
    (&["--progress", "loud"], &["'loud'", "auto, bar, plain, none"]),
    (&["--threads", "0"], &["'0'"]),
    (&["--whiteouts", "eat"], &["'eat'", "refuse, omit"]),
    (&["--env", "X"], &["`X`", "KEY=VALUE"]),
    (&["--env", "=x"], &["`=x`", "KEY=VALUE"]),
    (&["--label", "X"], &["`X`", "KEY=VALUE"]),
    (&["--expose", "99999"], &["`99999`", "1 to 65535"]),
    (&["--expose", "80/icmp"], &["`80/icmp`", "tcp"]),
    (&["--workdir", "rel"], &["`rel`", "absolute"]),
    (&["--volume", "rel"], &["`rel`", "absolute"]),
    (&["--user", "a:b:c"], &["`a:b:c`", "`UID[:GID]`"]),
    (&["--user", ""], &["``", "`UID[:GID]`"]),
    (&["--created", "yesterday"], &["`yesterday`", "2024-01-31T00:00:00Z"]),
    (&["--created", "SOURCE_DATE_EPOCH"], &["SOURCE_DATE_EPOCH", "not set"]),
    (&["--store-dir", "nix/store"], &["`nix/store`", "absolute"]),
    (&["--nonsense"], &["'--nonsense'"]),
];

/// References that cannot be pushed to.
const REFERENCES: &[(&str, &[&str])] = &[
    ("", &["expected `[HOST"]),
    ("a//b", &["`a//b`", "empty"]),
    ("localhost:5000/UPPER", &["`localhost:5000/UPPER`", "lower-case"]),
    ("localhost:5000:5000/x", &["`localhost:5000`", "not a host name"]),
    ("host:port:port/x", &["`port`", "port"]),
    ("host:99999/x", &["`99999`", "1 to 65535"]),
    ("x@sha256:zz", &["`sha256:zz`", "64 lower-case"]),
    ("localhost:5000/x:a b", &["`a b`"]),
    (
        "localhost:5000/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        &["digest", "hint: push to a tag: `localhost:5000/x:TAG`"],
    ),
];

#[test]
fn values_that_no_flag_takes() {
    let demo = Demo::new();
    for (flags, named) in VALUES {
        demo.refuses(demo.ask("oci").args(["-o", "app.tar"]).args(*flags), 2, named);
    }
    for layers in ["0", "128", "-1"] {
        demo.refuses(demo.ask("plan").args(["--max-layers", layers]), 2, &[layers, "1 to 127"]);
    }
}

#[test]
fn references_that_cannot_be_pushed_to() {
    let demo = Demo::new();
    for (reference, named) in REFERENCES {
        demo.refuses(demo.ask("oci").args(["--push", reference]), 2, named);
    }
}

#[test]
fn an_image_needs_one_place_to_go() {
    let demo = Demo::new();
    let oci = |flags: &[&str], named: &[&str]| {
        demo.refuses(demo.ask("oci").args(flags), 2, named);
    };
    oci(&[], &["nowhere to put", "hint: write a file with `-o app.tar`"]);
    oci(&["-o", "-", "--json"], &["`-o -`", "stdout"]);
    oci(&["-o", "-", "--push", "localhost:5000/x:1"], &["`-o -`", "stdout"]);
    oci(&["-o", "-", "--format", "layout"], &["a layout is a directory"]);
}

#[test]
fn an_image_does_not_go_to_a_terminal() {
    peer!("script");
    let demo = Demo::new();
    let command = demo.ask("oci");
    let mut words = vec![command.get_program().to_str().expect("UTF-8").to_owned()];
    words.extend(command.get_args().map(|arg| arg.to_str().expect("UTF-8").to_owned()));
    let mut script = Command::new("script");
    script.current_dir(demo.path(""));
    script.args(["--quiet", "--return", "--command", &format!("{} -o -", words.join(" "))]);
    let outcome = Outcome::of(script.arg("/dev/null")).code(2);
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(said.contains("does not belong on a terminal"), "{said}");
    assert!(said.contains("hint: redirect it"), "{said}");
}

#[test]
fn subcommands_that_are_not() {
    let cases: [(&[&str], &str); 3] = [
        (&["frobnicate"], "frobnicate"),
        (&["--store", "x"], "--store"),
        (&["oci", "--no"], "--no"),
    ];
    for (args, wrong) in cases {
        let outcome = Outcome::of(binary().args(args)).code(2);
        outcome.complains(&format!("'{wrong}'")).complains("--help");
    }
    // Without any, the help says what there is.
    let outcome = Outcome::of(&mut binary()).code(2);
    assert!(outcome.errors().contains("Commands:"), "{}", outcome.errors());
}

/// Files that `--config` cannot be, and what the message says of each.
const CONFIGS: &[(&str, &[&str])] = &[
    ("", &["not JSON", "hint: the file is"]),
    ("{", &["not JSON", "line 1"]),
    ("[]", &["a list, expected an object"]),
    (r#"{"Cmd": "x"}"#, &["`Cmd`", "a string, expected a list"]),
    (r#"{"cmd": []}"#, &["`cmd`", "hint: did you mean `Cmd`?"]),
    (r#"{"Bogus": 1}"#, &["`Bogus`", "hint: known keys are"]),
    (r#"{"Env": ["X"]}"#, &["`X`", "KEY=VALUE"]),
    (r#"{"ExposedPorts": {"0": {}}}"#, &["`0`", "1 to 65535"]),
    (r#"{"WorkingDir": "w"}"#, &["`w`", "absolute"]),
    (r#"{"User": "a:b:c"}"#, &["`a:b:c`", "`UID[:GID]`"]),
];

#[test]
fn configurations_that_cannot_be() {
    let demo = Demo::new();
    let file = demo.path("config.json");
    let mut oci = demo.ask("oci");
    oci.args(["-o", "app.tar", "--config", "config.json"]);
    demo.refuses(&mut oci, 1, &["`config.json`", "No such file"]);
    for (text, named) in CONFIGS {
        fs::write(&file, text).expect("writing a configuration");
        demo.refuses(&mut oci, 1, named);
    }
    fs::write(&file, [0xff, 0xfe]).expect("writing a configuration");
    demo.refuses(&mut oci, 1, &["`config.json`", "UTF-8"]);
    fs::write(&file, "[".repeat(1 << 20)).expect("writing a configuration");
    demo.refuses(&mut oci, 1, &["not JSON", "recursion"]);
    let mut oci = demo.ask("oci");
    oci.args(["-o", "app.tar", "--config", "store"]);
    demo.refuses(&mut oci, 1, &["`store`", "directory"]);
    let mut oci = demo.ask("oci");
    oci.args(["-o", "app.tar", "--config", "/dev/zero"]);
    demo.refuses(&mut oci, 1, &["`/dev/zero`", "more than 4194304 bytes"]);
}

#[test]
fn programs_and_users_that_are_not_in_the_image() {
    let demo = Demo::new();
    let oci = |flags: &[&str], named: &[&str]| {
        demo.refuses(demo.ask("oci").args(["-o", "app.tar"]).args(flags), 1, named);
    };
    oci(&["--exec", "nope"], &["`nope`", "hint: there are /nix/store/", "bin/hello"]);
    oci(&["--exec", "/nix/store/nope/bin/x"], &["`/nix/store/nope/bin/x`", "bin/hello"]);
    oci(&["--user", "stranger"], &["`stranger`", "hint: make the user: `--user stranger:"]);
    oci(&["--user", "root:strangers"], &["`strangers`", "hint: use a number"]);
    oci(&["--arch", "arm64"], &["arm64", "amd64"]);
}
