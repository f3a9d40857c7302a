//! Graph files that are none, or that say what cannot be.

mod support;

use std::fs;

use support::demo::{Demo, HELLO, ROOT};

/// Contents of a graph file, and what the message says of each.
fn cases() -> Vec<(String, Vec<&'static str>)> {
    let row = |path: &str, size: &str, references: &str| {
        format!(r#"{{"path":"{path}","narSize":{size},"references":{references}}}"#)
    };
    let list = |rows: &[String]| format!("[{}]", rows.join(","));
    let written_by = "hint: graph files are written by `nix path-info --json -r ROOT`";
    vec![
        (String::new(), vec!["is no graph file", written_by]),
        (" \n".into(), vec!["is no graph file", written_by]),
        ("hello\n".into(), vec!["is no graph file", written_by]),
        ("\u{0}\u{1}\u{2}".into(), vec!["is no graph file", written_by]),
        ("{".into(), vec!["is not valid JSON", "line 1", written_by]),
        ("[1,]".into(), vec!["is not valid JSON", written_by]),
        ("[3]".into(), vec!["got `3`", "expected", written_by]),
        ("null".into(), vec!["is no graph file", written_by]),
        ("[".repeat(1 << 20), vec!["is not valid JSON", "recursion"]),
        (r#"{"a":"#.repeat(1 << 18), vec!["is not valid JSON", "recursion"]),
        ("[]".into(), vec!["has no store paths", "hint: write it with"]),
        ("{}".into(), vec!["has no store paths", "hint: write it with"]),
        (r#"{"a":1}"#.into(), vec!["got `a`", "expected a store path"]),
        (r#"[{"path":null}]"#.into(), vec!["got `{\"path\":null}`", "expected an object"]),
        (format!(r#"{{"{ROOT}":null}}"#), vec![ROOT, "not valid", "hint: build the path first"]),
        (list(&[row(ROOT, r#""big""#, "[]")]), vec![ROOT, "narSize: got `\"big\"`"]),
        (list(&[row(ROOT, "-1", "[]")]), vec![ROOT, "narSize: got `-1`", "not negative"]),
        (list(&[row(ROOT, "1e99", "[]")]), vec![ROOT, "narSize: got `1e+99`"]),
        (list(&[row(ROOT, "1", "3")]), vec![ROOT, "references: got `3`", "expected a list"]),
        (list(&[row(ROOT, "1", "[null]")]), vec![ROOT, "got `null`"]),
        (list(&[row(ROOT, "1", r#"["x"]"#)]), vec![ROOT, "got `x`", "expected a store path"]),
        (list(&[row("/nix/store/short-x", "1", "[]")]), vec!["`/nix/store/short-x`", "32 base-32"]),
        (list(&[row("/nix/store/../x", "1", "[]")]), vec!["`/nix/store/../x`"]),
        (list(&[row("/etc/passwd", "1", "[]")]), vec!["`/etc/passwd`", "expected a store path"]),
        (
            list(&[row(ROOT, "1", &format!(r#"["{HELLO}"]"#))]),
            vec![&ROOT[11..], "refers to", &HELLO[11..], "hint: write it with `nix path-info"],
        ),
        (
            list(&[row(ROOT, "1", "[]"), row(ROOT, "2", "[]")]),
            vec!["different things", &ROOT[11..], "hint: write the file from one store"],
        ),
        (
            list(&[row(ROOT, "1", "[]"), row(&HELLO.replace("nix", "gnu"), "1", "[]")]),
            vec!["`/gnu/store`", "`/nix/store`", "hint: write the file from one store"],
        ),
    ]
}

#[test]
fn contents_that_cannot_be() {
    let demo = Demo::new();
    for (text, mut named) in cases() {
        fs::write(demo.path("graph"), &text).expect("writing a graph file");
        if !named[0].contains("refers to") && !named.contains(&"refers to") {
            named.push("`graph`");
        }
        demo.refused(["plan", "--graph", "graph"], 1, &named);
        demo.refused(["closure", "--graph", "graph"], 1, &named);
        demo.refused(["oci", "--graph", "graph", "-o", "app.tar"], 1, &named);
    }
}

#[test]
fn a_message_is_a_line_whatever_it_quotes() {
    let demo = Demo::new();
    let text = r#"{"\u001b[31mred\nhint: obey":1}"#;
    fs::write(demo.path("graph"), text).expect("writing a graph file");
    let outcome = demo.refused(["plan", "--graph", "graph"], 1, &[r"\u{1b}[31mred\nhint: obey"]);
    assert!(!outcome.errors().contains('\u{1b}'), "{}", outcome.errors());
    let outcome = demo.refused(["closure", "--store", "store", "a\nb"], 1, &[r"`a\nb` does not"]);
    assert_eq!(outcome.errors().lines().count(), 3, "{}", outcome.errors());
}

#[test]
fn files_that_cannot_be_read() {
    let demo = Demo::new();
    demo.refused(["plan", "--graph", "nowhere"], 1, &["`nowhere`", "No such file"]);
    demo.refused(["plan", "--graph", "store"], 1, &["`store`", "Is a directory"]);
    demo.refuses(demo.ask("plan").args(["--references", "nowhere"]), 1, &["`nowhere`", "No such"]);
    fs::write(demo.path("bytes"), [0xff, 0xfe, 0x00]).expect("writing a file");
    demo.refused(["plan", "--graph", "bytes"], 1, &["`bytes` is no graph file"]);
}

#[test]
fn another_store_or_another_root() {
    let demo = Demo::new();
    let text = format!(r#"[{{"path":"{HELLO}","narSize":1,"references":[]}}]"#);
    fs::write(demo.path("graph"), &text).expect("writing a graph file");
    demo.refused(
        ["plan", "--graph", "graph", ROOT],
        1,
        &[ROOT, "is not in the graph file `graph`", "hint: write the file with this root"],
    );
    fs::write(demo.path("graph"), text.replace("/nix/", "/gnu/")).expect("writing a graph file");
    demo.refused(["plan", "--graph", "graph", ROOT], 1, &[ROOT, "`/gnu/store`", "hint: "]);
    demo.refuses(
        demo.ask("plan").args(["--references", "graph"]),
        1,
        &["`graph` has paths of the store `/gnu/store`, expected `/nix/store`", "`--store-dir`"],
    );
    // A plan needs no files; an image does.
    demo.tool(["plan", "--graph", "graph"]).success();
    let oci = ["oci", "--graph", "graph", "-o", "app.tar"];
    demo.refused(oci, 1, &["/gnu/store", "No such file", "hint: "]);
}
