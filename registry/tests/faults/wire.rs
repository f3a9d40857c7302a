//! As much of HTTP/1.1 as a proxy needs that wants to break it: heads and bodies as they are on the wire.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The first line and the headers, of a request or of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// `None` at the end of the connection.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut head = Self { line: line.trim_end().to_owned(), headers: Vec::new() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            head.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Some(head))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.get("content-length")?.parse().ok()
    }

    fn word(&self, index: usize) -> &str {
        self.line.split(' ').nth(index).unwrap_or_default()
    }

    /// Of a request.
    pub(crate) fn method(&self) -> &str {
        self.word(0)
    }

    /// Of a request: path and query.
    pub(crate) fn target(&self) -> &str {
        self.word(1)
    }

    /// Of a request.
    pub(crate) fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// Of a request: the value as it is written.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target().split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        (text + "\r\n").into_bytes()
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut reply = Self { head: Head::default(), body: body.into() };
        reply.set_status(status);
        reply
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.head.set(name, value);
        self
    }

    /// In the form that the distribution specification gives errors.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Self::new(status, body).with("Content-Type", "application/json")
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.word(1).parse().unwrap_or_default()
    }

    pub(crate) fn set_status(&mut self, status: u16) {
        self.head.line = format!("HTTP/1.1 {status} X");
    }

    /// As it goes over the wire in answer to a request with this method.
    pub(crate) fn bytes(mut self, method: &str) -> Vec<u8> {
        // The length in the answer to HEAD is that of a body which does not come.
        if method != "HEAD" || self.head.length().is_none() {
            self.head.set("Content-Length", self.body.len().to_string());
        }
        let mut bytes = self.head.bytes();
        if method != "HEAD" {
            bytes.extend(self.body);
        }
        bytes
    }
}

/// Makes a request at `address` over a connection of its own. As HTTP/1.0, since then no answer comes in chunks.
pub(crate) fn ask(address: &str, request: &Head, body: &[u8]) -> io::Result<Reply> {
    let stream = send(address, request, body)?;
    let mut reader = BufReader::new(&stream);
    let head = Head::read(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut body = Vec::new();
    match head.length() {
        _ if request.method() == "HEAD" => {}
        Some(length) => _ = reader.take(length).read_to_end(&mut body)?,
        None => _ = reader.read_to_end(&mut body)?,
    }
    Ok(Reply { head, body })
}

/// Sends a request, or the beginning of one: a body shorter than its length.
pub(crate) fn send(address: &str, request: &Head, body: &[u8]) -> io::Result<TcpStream> {
    let mut request = request.clone();
    request.line = request.line.replace("HTTP/1.1", "HTTP/1.0");
    for name in ["authorization", "connection", "expect"] {
        request.remove(name);
    }
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(&request.bytes())?;
    stream.write_all(body)?;
    Ok(stream)
}
