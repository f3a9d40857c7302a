//! The page of `plan --report` in a real browser: it says what is so, asks for nothing, and answers clicks, keys and
//! search.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::browser::Browser;
use support::temp_dir;
use support::tool::tool;

const BUDGET: &str = "--max-layers=12";

/// A graph file of a real closure.
fn real_graph(dir: &Path) -> PathBuf {
    let fixture = "fixtures/layering/closures/debian-python-web.json";
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).expect("a fixture");
    let fixture: Value = serde_json::from_slice(&text).expect("JSON");
    let graph = dir.join("graph.json");
    fs::write(&graph, fixture["closure"].to_string()).expect("writing a graph");
    graph
}

/// Makes the page, and answers the plan that it is of.
fn page(graph: &Path, page: &Path, budget: &str) -> Value {
    let args = ["plan".as_ref(), "--graph".as_ref(), graph.as_os_str(), "--json".as_ref()];
    let more = [budget.as_ref(), "--report".as_ref(), page.as_os_str()];
    tool(args.into_iter().chain(more)).success().json()
}

/// How many bytes the layers and the paths have that change with `path`: found the slow way, from graph and plan.
fn repull(rows: &[Value], plan: &Value, path: &str) -> (u64, u64) {
    let mut changed = BTreeSet::from([path]);
    loop {
        let before = changed.len();
        for row in rows {
            let references = row["references"].as_array().expect("a list").iter();
            if references.filter_map(Value::as_str).any(|to| changed.contains(to)) {
                changed.insert(row["path"].as_str().expect("a path"));
            }
        }
        if changed.len() == before {
            break;
        }
    }
    let size = |row: &Value| row["narSize"].as_u64().expect("a size");
    let of = rows.iter().filter(|row| changed.contains(row["path"].as_str().expect("a path")));
    let hit = |layer: &&Value| {
        let paths = layer["paths"].as_array().expect("a list").iter();
        paths.filter_map(Value::as_str).any(|path| changed.contains(path))
    };
    let layers = plan["layers"].as_array().expect("a list").iter().filter(hit);
    let layers = layers.map(|layer| layer["nar_size"].as_u64().expect("a size")).sum();
    (layers, of.map(size).sum())
}

#[test]
fn the_page_says_what_an_update_costs() {
    peer!("chromium", "chromedriver");
    let dir = temp_dir();
    let graph = real_graph(dir.path());
    let file = dir.path().join("plan.html");
    let plan = page(&graph, &file, BUDGET);
    let rows = fs::read(&graph).expect("a graph");
    let rows: Vec<Value> = serde_json::from_slice(&rows).expect("JSON");
    let browser = Browser::start(1280, 900);
    browser.open(&file);
    assert_eq!(browser.run("return document.querySelectorAll('.tile').length"), rows.len());
    assert_eq!(browser.run("return document.querySelectorAll('.layer').length"), 12);

    // The largest path by its tile; then every seventh, wherever it is.
    let names = browser.run("return data.names.map((name) => `${data.store}/${name}`)");
    let names: Vec<String> = serde_json::from_value(names).expect("names");
    let largest = rows.iter().max_by_key(|row| row["narSize"].as_u64()).expect("a row");
    let largest = largest["path"].as_str().expect("a path");
    let index = |path: &str| names.iter().position(|name| name == path).expect("in the page");
    let check = |path: &str| {
        assert_eq!(browser.text("#panel .full"), path);
        let (layers, own) = repull(&rows, &plan, path);
        let shown = browser.run("return { ...document.getElementById('repull').dataset }");
        assert_eq!(shown["bytes"], layers.to_string(), "{path}");
        assert_eq!(shown["own"], own.to_string(), "{path}");
        assert_eq!(browser.text("#repull"), closure2img::progress::human(layers));
        let selected = browser.run(
            "const rows = document.querySelectorAll('tr.selected'); return [rows.length, data.names[rows[0].dataset.id]]",
        );
        assert_eq!(
            selected,
            json!([1, path.trim_start_matches("/nix/store/")]),
            "the row is in sight"
        );
    };
    browser.click(&format!(".tile[data-path='{}']", index(largest)));
    check(largest);
    for path in names.iter().step_by(7) {
        browser.run(&format!("choose({{ path: {} }}, true)", index(path)));
        check(path);
    }
    // By its row in the table, too.
    browser.run("choose(null, false); at('scroll').scrollTop = 0; drawRows()");
    browser.click("tbody tr[data-id]:nth-child(3)");
    check(
        &names[serde_json::from_value::<usize>(browser.run("return chosen.path")).expect("a path")],
    );

    // Itself, and the icon that it says it has not.
    let asked: Vec<String> = browser.requests();
    let itself = format!("file://{}", file.display());
    assert!(asked.contains(&itself), "the log of requests works: {asked:?}");
    assert!(asked.iter().all(|url| *url == itself || *url == "data:,"), "{asked:?}");
    assert_eq!(browser.log("browser"), Vec::<String>::new());

    // Nor could it: what is asked for against its policy is refused, and the log says so.
    browser.run("new Image().src = 'http://127.0.0.1:9/'");
    let refused = browser.log("browser");
    assert!(
        refused.iter().any(|message| message.contains("Content Security Policy")),
        "{refused:?}"
    );
}

#[test]
fn search_keys_and_themes_work() {
    peer!("chromium", "chromedriver");
    let dir = temp_dir();
    let graph = real_graph(dir.path());
    let file = dir.path().join("plan.html");
    page(&graph, &file, BUDGET);
    let browser = Browser::start(1280, 900);
    browser.open(&file);
    let names = browser.run("return data.names");
    let names: Vec<String> = serde_json::from_value(names).expect("names");

    let hits = names.iter().filter(|name| name.contains("python")).count();
    assert!(hits > 0 && hits < names.len());
    browser.type_into("#search", "PYTHON");
    assert_eq!(browser.run("return document.querySelectorAll('.tile:not(.dim)').length"), hits);
    assert_eq!(browser.run("return rows.length"), hits);
    assert_eq!(browser.text("#found"), format!("{hits} of {} paths", names.len()));
    browser.type_into("#search", "\u{e007}"); // Enter
    assert!(browser.text("#panel .full").contains("python"));
    browser.run("const box = document.getElementById('search'); box.value = ''; box.dispatchEvent(new Event('input'))");
    assert_eq!(browser.text("#found"), "");

    // Without a mouse: into the treemap, on to a neighbour, out again.
    browser.type_into("#map", "\u{e00c}\u{e014}"); // Escape, right arrow
    let first = browser.text("#panel h2");
    browser.type_into("#map", "\u{e014}");
    let second = browser.text("#panel h2");
    assert_ne!(first, second);
    browser.type_into("#map", "\u{e00c}");
    assert_eq!(browser.text("#panel h2"), "Nothing chosen");

    // Sorted by another column, and the other way round.
    let column = |number: usize| {
        let script = format!(
            "return [...document.querySelectorAll('tbody tr[data-id]')].map((row) => row.cells[{number}].textContent)"
        );
        let cells: Vec<String> = serde_json::from_value(browser.run(&script)).expect("texts");
        cells
    };
    browser.click("th:nth-child(1) button");
    let up = column(0);
    browser.click("th:nth-child(1) button");
    let down = column(0);
    assert!(up.first() < down.first(), "{up:?}, {down:?}");
    browser.click("#tab-layers");
    assert_eq!(column(0).len(), 12);
    browser.click("tbody tr[data-id='1']");
    assert_eq!(browser.text("#panel h2"), "Layer 2");

    let background = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let (before, label) = (background(), browser.text("#theme"));
    browser.click("#theme");
    assert_ne!(background(), before);
    assert_ne!(browser.text("#theme"), label);
    browser.click("#theme");
    assert_eq!(background(), before);
    assert_eq!(browser.log("browser"), Vec::<String>::new());
}

#[test]
fn thousands_of_paths_stay_fluid() {
    peer!("chromium", "chromedriver");
    let dir = temp_dir();
    let name = |n: u32| format!("/nix/store/{n:0>32}-package-{n}-1.{n}");
    let row = |n: u32| {
        let references: Vec<String> = [n / 2, n / 3, n.saturating_sub(7)].map(name).to_vec();
        json!({"path": name(n), "narHash": null, "narSize": 1000 + u64::from(n * 7919 % 1000) * u64::from(n), "references": references})
    };
    let rows: Vec<Value> = (0..5000).map(row).collect();
    let graph = dir.path().join("graph.json");
    fs::write(&graph, Value::from(rows).to_string()).expect("writing a graph");
    let file = dir.path().join("plan.html");
    page(&graph, &file, "--max-layers=100");
    let browser = Browser::start(1280, 900);
    browser.open(&file);
    let time = |script: &str| {
        let script = format!(
            "const begin = performance.now(); {script}; document.body.offsetHeight; return performance.now() - begin"
        );
        browser.run(&script).as_f64().expect("milliseconds")
    };
    for script in
        ["drawMap()", "choose({ path: 0 }, true)", "sortBy(6)", "search('package-1')", "search('')"]
    {
        let took = time(script);
        // A tenth of this on a machine that does nothing else; tests run side by side.
        assert!(took < 1500.0, "{script} took {took} ms");
    }
    let took = browser.run("return performance.getEntriesByType('navigation')[0].domComplete");
    assert!(took.as_f64().expect("milliseconds") < 8000.0, "{took} ms until it was there");
}

#[test]
fn a_page_that_cannot_be_written_is_told() {
    let dir = temp_dir();
    let graph = real_graph(dir.path());
    let args = ["plan".as_ref(), "--graph".as_ref(), graph.as_os_str(), "--report".as_ref()];
    let absent = dir.path().join("absent/plan.html");
    let told = tool(args.into_iter().chain([absent.as_os_str()])).code(1);
    assert!(
        told.errors().contains("cannot write")
            && told.errors().contains("hint: create the directory first")
    );
}

/// Makes the picture in `docs/`: `GRAPH=graph.json cargo test --test plan_report -- --ignored`.
#[test]
#[ignore = "makes a picture, in docs/"]
fn picture() {
    peer!("chromium", "chromedriver");
    let dir = temp_dir();
    let graph = std::env::var_os("GRAPH").map_or_else(|| real_graph(dir.path()), PathBuf::from);
    let file = dir.path().join("plan.html");
    page(&graph, &file, "--max-layers=40");
    let browser = Browser::start(1280, 1180);
    browser.open(&file);
    // A path in the middle: some depend upon it, and not all.
    browser.run(
        "const costs = data.names.map((_, path) => affected(path).length);
         const order = [...costs.keys()].sort((a, b) => data.sizes[b] - data.sizes[a]);
         choose({ path: order.find((path) => costs[path] > 8 && costs[path] < data.names.length / 2) }, true)",
    );
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::write(docs.join("plan-report.png"), browser.screenshot()).expect("writing a picture");
    browser.click("#theme");
    fs::write(dir.path().with_extension("dark.png"), browser.screenshot())
        .expect("writing a picture");
}
