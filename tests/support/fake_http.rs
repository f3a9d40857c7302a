//! A web server that answers as it is told to, right or wrong: what a registry must never do, and
//! what may stand where a registry should.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request whose body was read.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// With the query.
    pub path: String,
}

/// What is sent back.
pub enum Reply {
    /// A status, header lines, and a body.
    Answer(u16, Vec<String>, &'static str),
    /// The connection is cut without an answer.
    Cut,
    /// The client waits for ever.
    Never,
}

impl Reply {
    /// A status alone.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), "")
    }
}

type Behaviour = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server; its threads end with the test process.
pub struct FakeHttp {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeHttp {
    /// Starts one on a free port.
    pub fn start(behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, seen) = (Arc::clone(&behaviour), Arc::clone(&seen));
                // A client that hangs up is its own affair.
                thread::spawn(move || serve(&stream, &*behaviour, &seen));
            }
        });
        Self { port, requests }
    }

    /// Starts one that is a registry without any content, except where `behaviour` answers.
    pub fn registry(behaviour: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::start(move |request| {
            if let Some(reply) = behaviour(request) {
                return reply;
            }
            match request.method.as_str() {
                "GET" => Reply::status(200),
                "POST" => Reply::Answer(
                    202,
                    vec![format!("Location: {}1?_state=s3ss1on", request.path)],
                    "",
                ),
                "PUT" => Reply::status(201),
                _ => Reply::status(404),
            }
        })
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests of this method whose path has `part` there were.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let requests = self.requests.lock().expect("a lock");
        requests.iter().filter(|r| r.method == method && r.path.contains(part)).count()
    }
}

fn serve(
    stream: &TcpStream,
    behaviour: &Behaviour,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let request = Request { method, path };
        let reply = behaviour(&request);
        seen.lock().expect("a lock").push(request.clone());
        let (status, headers, body) = match reply {
            Reply::Answer(status, headers, body) => (status, headers, body),
            Reply::Cut => {
                // Half the body first: the client is in the middle of it.
                reader.by_ref().take(length / 2).read_to_end(&mut Vec::new())?;
                return stream.shutdown(Shutdown::Both);
            }
            // Until the client has had enough.
            Reply::Never => return reader.read_to_end(&mut Vec::new()).map(drop),
        };
        reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
        let mut answer = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            answer.push_str(&header);
            answer.push_str("\r\n");
        }
        answer.push_str("\r\n");
        if request.method != "HEAD" {
            answer.push_str(body);
        }
        let mut out = stream;
        out.write_all(answer.as_bytes())?;
    }
}
