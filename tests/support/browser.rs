//! A real browser: headless Chromium, led over `WebDriver` (W3C) by its own chromedriver.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::peer::{is_root, program};
use super::server::Server;

/// How `WebDriver` marks a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. Needs `peer!("chromium", "chromedriver")`.
pub struct Browser {
    port: u16,
    session: String,
    _server: Server,
    _dir: TempDir,
}

impl Browser {
    /// Starts one whose window has this size.
    ///
    /// # Panics
    /// If it does not start; the message has its log.
    pub fn start(width: u32, height: u32) -> Self {
        let dir = super::temp_dir();
        let log = dir.path().join("log");
        // Given port 0, it says itself which one it took.
        let mut server = Server::start(&program("chromedriver"), ["--port=0"], &log);
        let port = server.wait_for(|server| {
            let log = server.log();
            let (_, rest) = log.split_once("started successfully on port ")?;
            rest[..rest.find('.')?].parse().ok()
        });
        let port = port.unwrap_or_else(|error| panic!("chromedriver {error}"));
        let mut args = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", dir.path().join("profile").display()),
        ];
        if is_root() {
            args.push("--no-sandbox".to_owned());
        }
        let options = json!({"binary": program("chromium"), "args": args});
        let capabilities = json!({"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }});
        let body = json!({ "capabilities": capabilities });
        let answer = request(port, "POST", "/session", Some(&body));
        let session = answer["sessionId"].as_str().expect("a session").to_owned();
        Self { port, session, _server: server, _dir: dir }
    }

    /// Opens a file.
    pub fn open(&self, file: &Path) {
        self.post("url", &json!({"url": format!("file://{}", file.display())}));
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Clicks in the middle of the first element that a CSS selector finds, as a person would.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Types text into an element.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.post(&format!("element/{element}/value"), &json!({"text": text}));
    }

    /// The text of an element as it is shown.
    pub fn text(&self, selector: &str) -> String {
        let element = self.find(selector);
        self.get(&format!("element/{element}/text")).as_str().expect("a text").to_owned()
    }

    /// All messages of one of the browser's logs since it was asked last.
    pub fn log(&self, kind: &str) -> Vec<String> {
        let entries = self.post("se/log", &json!({"type": kind}));
        let message = |entry: &Value| entry["message"].as_str().expect("a message").to_owned();
        entries.as_array().expect("a list").iter().map(message).collect()
    }

    /// The addresses of all that pages from files asked for since the last time, themselves among it.
    pub fn requests(&self) -> Vec<String> {
        let messages = self.log("performance").into_iter();
        let events = messages.map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        let of_file = |params: &Value| {
            params["documentURL"].as_str().is_some_and(|url| url.starts_with("file://"))
        };
        sent.map(|event| event["message"]["params"].clone())
            // The browser's own first page asks for much.
            .filter(of_file)
            .filter_map(|params| params["request"]["url"].as_str().map(Into::into))
            .collect()
    }

    /// A picture of the window, as PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let picture = self.get("screenshot");
        BASE64.decode(picture.as_str().expect("a picture").as_bytes()).expect("base 64")
    }

    fn find(&self, selector: &str) -> String {
        let found = self.post("element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn get(&self, what: &str) -> Value {
        request(self.port, "GET", &format!("/session/{}/{what}", self.session), None)
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        request(self.port, "POST", &format!("/session/{}/{what}", self.session), Some(body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromedriver ends the browser with the session.
        if !std::thread::panicking() {
            request(self.port, "DELETE", &format!("/session/{}", self.session), None);
        }
    }
}

/// The `value` of the answer.
///
/// # Panics
/// If it is an error.
#[track_caller]
fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connecting to chromedriver");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("setting a timeout");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("asking chromedriver");
    let mut answer = Vec::new();
    let mut block = [0; 1 << 13];
    // It may keep the connection, so that the length says where the answer ends.
    while length(&answer).is_none_or(|length| answer.len() < length) {
        match stream.read(&mut block).expect("chromedriver's answer") {
            0 => break,
            count => answer.extend_from_slice(&block[..count]),
        }
    }
    let start = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer") + 4;
    let answer: Value = serde_json::from_slice(&answer[start..]).expect("JSON");
    let value = answer["value"].clone();
    assert!(value.get("error").is_none(), "{method} {path} {body:.200}: {value:#}");
    value
}

/// How long head and body are together, once the head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let (_, rest) = head.split_once("content-length:")?;
    let length: usize = rest.lines().next()?.trim().parse().ok()?;
    Some(end + 4 + length)
}
