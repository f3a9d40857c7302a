//! A registry on 127.0.0.1 that checks what clients send.
//!
//! Small enough to be read in full: HTTP/1.1 over threads here, the registry's endpoints in `registry`. Whatever
//! breaks the specification is noted as a violation, and a test fails on it when the server is dropped. A test that
//! wants a fault passes an interceptor, which sees each request before its body is read.

mod reading;
mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, Vec<String>>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// Whether it is this request, as in `PUT /v2/a/blobs`.
    pub(crate) fn is(&self, start: &str) -> bool {
        format!("{} {}", self.method, self.path).starts_with(start)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Answer before the body is read, take no more requests, and close when the client does.
    pub(crate) early: bool,
    /// Say nothing more, and do not close either.
    pub(crate) silent: bool,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// No answer: the connection breaks before the body is read.
    pub(crate) fn broken() -> Self {
        Self::new(0).early()
    }

    /// What is there of the body, and then nothing.
    pub(crate) fn silent(mut self) -> Self {
        (self.early, self.silent) = (true, true);
        self
    }

    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }
}

/// Who may do what.
#[derive(Clone, Default)]
pub(crate) enum Guard {
    #[default]
    Open,
    Basic(&'static str),
    /// Tokens from `/token`, for users with these Basic credentials or, if none, for everybody.
    Token(Option<&'static str>),
}

/// What can be deleted.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Deletion {
    /// Manifests by their digests.
    #[default]
    Digests,
    /// Tags, too.
    Tags,
    Nothing,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    /// Blobs of other repositories, by repository.
    pub(crate) elsewhere: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Whether it has the referrers API.
    pub(crate) referrers: bool,
    /// Whether it heeds `If-Match`.
    pub(crate) conditional: bool,
    pub(crate) deletion: Deletion,
    /// The most tags on a page.
    pub(crate) page: Option<usize>,
    tokens: BTreeMap<String, BTreeSet<String>>,
    counter: u32,
    pub(crate) requests: Vec<Request>,
    violations: Vec<String>,
}

type Interceptor = dyn Fn(&Request) -> Option<Answer> + Send + Sync;

struct Shared {
    address: String,
    guard: Guard,
    intercept: Box<Interceptor>,
    state: Mutex<State>,
}

pub(crate) struct Server {
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(guard: Guard) -> Self {
        Self::intercepting(guard, |_| None)
    }

    pub(crate) fn intercepting(
        guard: Guard,
        intercept: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            address,
            guard,
            intercept: Box::new(intercept),
            state: Mutex::default(),
        });
        let server = Self { shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that closes the connection ends the conversation, whatever was being said.
                thread::spawn(move || converse(&stream, &shared).ok());
            }
        });
        server
    }

    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// The requests so far that start like this.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.state().requests.iter().filter(|request| request.is(start)).count()
    }

    /// From now on no token is valid that was given out before.
    pub(crate) fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A second panic would hide the first.
        if !thread::panicking() {
            assert_eq!(
                self.state().violations,
                Vec::<String>::new(),
                "the client broke the protocol"
            );
        }
    }
}

fn converse(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some((mut request, length)) = head(&mut reader)? {
        let intercepted = (shared.intercept)(&request);
        let early = intercepted.as_ref().is_some_and(|answer| answer.early);
        if !early {
            let read = reader.by_ref().take(length).read_to_end(&mut request.body)?;
            if (read as u64) < length {
                return Ok(());
            }
        }
        let answer = {
            let mut state = shared.state.lock().unwrap();
            state.requests.push(request.clone());
            match intercepted {
                Some(answer) => answer,
                None => registry::answer(&request, &shared.guard, &shared.address, &mut state),
            }
        };
        if answer.status == 0 {
            return Ok(());
        }
        let mut text = format!("HTTP/1.1 {} X\r\n", answer.status);
        let length = ("Content-Length", answer.body.len().to_string());
        let own = answer
            .headers
            .iter()
            .any(|(name, _)| *name == length.0 || *name == "Transfer-Encoding");
        for (name, value) in answer.headers.iter().chain((!own).then_some(&length)) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        if early {
            text += "Connection: close\r\n";
        }
        text += "\r\n";
        let mut writer = stream;
        writer.write_all(text.as_bytes())?;
        if request.method != "HEAD" {
            writer.write_all(&answer.body)?;
        }
        if early {
            // Closing at once would take back the answer, should the client still be sending.
            if !answer.silent {
                stream.shutdown(Shutdown::Write)?;
            }
            std::io::copy(&mut reader, &mut std::io::sink())?;
            return Ok(());
        }
    }
    Ok(())
}

fn head(reader: &mut impl BufRead) -> std::io::Result<Option<(Request, u64)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request =
        Request { method: method.to_owned(), path: path.to_owned(), ..Request::default() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request.query.entry(name.to_owned()).or_default().push(decoded(value));
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    Ok(Some((request, length)))
}

/// Undoes `%3A` and `+`.
pub(crate) fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().replace('+', " ");
    for part in parts {
        decoded.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        decoded += &part[2..].replace('+', " ");
    }
    decoded
}
