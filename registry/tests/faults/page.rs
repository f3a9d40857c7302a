//! `docs/faults.md`: the table for people, made from the table that is played.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use crate::fault::Kind;
use crate::table::{COLUMNS, Ending, rows};

/// Writes the page instead of checking it.
const WRITE: &str = "WRITE_FAULTS_PAGE";

const HEAD: &str = "\
# What a registry can do to us, and how it ends

Each row is a fault, each column a kind of request that it befalls. A proxy causes it, between the client and a real
registry, in the first such request, in the first three, or in all; three outcomes are given where they differ. Blobs of
a few bytes, 100 KiB and 3 MiB are pushed over an older image at the same tag; for the last two columns the image is
pulled. PATCH is tried where the proxy refuses whole blobs. A push may ask for the manifest at the tag, to learn what is there already.

- **done**: the new image is there to the byte (asked around the proxy), or what was pulled is right.
- **a number**: the registry's refusal, with its own words and a hint.
- **broken**, **silent**: the connection could not be kept, or the registry said nothing for too long.
- **no registry**: what answers is something else, such as the login page of a hotel.
- **digest**: content is not what its name says.
- **—**: the fault makes no sense there.

In every cell the tag is the old image or the new one, and the manifest was sent after its blobs; the number of requests
is bounded; the password was seen by the token server only, tokens by the registry only; and neither is in the error, in
its causes, in `Debug` or in the hint.

";

const FOOT: &str = "
`registry/tests/faults/table.rs` is the table that is played; the tests fail when this page says anything else.
`WRITE_FAULTS_PAGE=1 cargo test -p registry --test faults page` writes it anew.
";

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Post => "POST",
        Kind::Patch => "PATCH",
        Kind::Put => "PUT",
        Kind::Head => "HEAD",
        Kind::ManifestPut => "PUT manifest",
        Kind::Token => "token",
        Kind::ManifestGet => "GET manifest",
        Kind::Known => "GET manifest in a push",
        Kind::BlobGet => "GET blob",
        Kind::Probe | Kind::Status | Kind::Other => "other",
    }
}

fn one(endings: &[Ending]) -> String {
    let mut words = Vec::new();
    for ending in endings {
        let word = match ending {
            Ending::Done => "done".to_owned(),
            Ending::Refused(status) => status.to_string(),
            Ending::Broken => "broken".to_owned(),
            Ending::Silent => "silent".to_owned(),
            Ending::NoRegistry => "no registry".to_owned(),
            Ending::WrongDigest => "digest".to_owned(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" or ")
}

fn cell(endings: &[Vec<Ending>; 3]) -> String {
    let [once, thrice, ever] = endings.each_ref().map(|endings| one(endings));
    if once == thrice && thrice == ever { once } else { format!("{once}, {thrice}, {ever}") }
}

fn page() -> String {
    let rows = rows();
    let mut names: Vec<&str> = Vec::new();
    let mut cells: BTreeMap<(&str, Kind), String> = BTreeMap::new();
    for row in &rows {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
        for column in COLUMNS {
            if let Some(endings) = row.endings(column) {
                let before = cells.insert((&row.name, column), cell(&endings));
                assert_eq!(before, None, "{} is there twice for {column:?}", row.name);
            }
        }
    }
    let mut page = HEAD.to_owned();
    let titles: Vec<_> = COLUMNS.iter().map(|kind| title(*kind)).collect();
    let _ = writeln!(page, "| fault | {} |", titles.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(COLUMNS.len()));
    for name in names {
        let row = COLUMNS.map(|kind| cells.get(&(name, kind)).map_or("—", String::as_str));
        let _ = writeln!(page, "| {name} | {} |", row.join(" | "));
    }
    page + FOOT
}

#[test]
fn page_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    let page = page();
    if env::var_os(WRITE).is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == page, "docs/faults.md is out of date: {WRITE}=1 writes it anew");
}
