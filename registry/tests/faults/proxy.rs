//! Stands between a client and a registry, breaks what the rules say, and writes down all that passes.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::fault::{End, Fault, Kind, Rule, Wishes};
use crate::guard::{Guard, Scheme};
use crate::keeper::Keeper;
use crate::line::{Certificate, Line};
use crate::wire::{Head, Reply, ask, send};

/// Between two bytes of a slow peer. A tenth of what the tests' clients wait for silence to end.
const SIP: Duration = Duration::from_millis(20);
/// Bytes of an answer that come slowly; the rest comes at once, so that tests end.
const SIPS: usize = 16;
/// The proxy takes in little before it must: a peer that does not read is then soon felt.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// A request that came, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) head: Head,
    pub(crate) at: Instant,
    /// How much came of the body.
    pub(crate) received: u64,
    /// What the registry answered, if it was asked.
    pub(crate) upstream: Option<u16>,
    /// Whether a rule changed anything.
    pub(crate) hit: bool,
}

/// What kind of a proxy it is.
#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) scheme: Scheme,
    pub(crate) rules: Vec<Rule>,
    /// Whether it speaks TLS, as `localhost`.
    pub(crate) tls: bool,
    /// Whether broken bodies can be continued.
    pub(crate) keeps: bool,
    /// Where it listens; anywhere if 0.
    pub(crate) port: u16,
}

struct Shared {
    /// As clients call it.
    address: String,
    scheme: &'static str,
    certificate: Option<Certificate>,
    keeper: Option<Keeper>,
    upstream: String,
    guard: Guard,
    rules: Mutex<Vec<Rule>>,
    entries: Mutex<Vec<Entry>>,
    /// Blobs that the registry has said to have.
    confirmed: Mutex<BTreeSet<String>>,
    /// Connections that are left hanging.
    held: Mutex<Vec<TcpStream>>,
    elsewhere: Mutex<String>,
    over: AtomicBool,
}

pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn start(upstream: &str, setting: Setting) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", setting.port)).unwrap();
        SockRef::from(&listener).set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (scheme, host) =
            if setting.tls { ("https", "localhost") } else { ("http", "127.0.0.1") };
        let address = format!("{host}:{port}");
        let shared = Arc::new(Shared {
            guard: Guard::new(setting.scheme, format!("{scheme}://{address}")),
            address,
            scheme,
            certificate: setting.tls.then(Certificate::new),
            keeper: setting.keeps.then(Keeper::default),
            upstream: upstream.to_owned(),
            rules: Mutex::new(setting.rules),
            entries: Mutex::default(),
            confirmed: Mutex::default(),
            held: Mutex::default(),
            elsewhere: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let proxy = Self { shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that closes the connection ends the conversation, whatever was being said.
                thread::spawn(move || shared.converse(stream).ok());
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.shared.guard
    }

    /// The certificate, in PEM form.
    pub(crate) fn pem(&self) -> Option<&str> {
        self.shared.certificate.as_ref().map(|certificate| certificate.pem.as_str())
    }

    /// Where changes lead that lead elsewhere: `host:port`.
    pub(crate) fn set_elsewhere(&self, address: &str) {
        address.clone_into(&mut self.shared.elsewhere.lock().unwrap());
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.shared.entries.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.shared.entries.lock().unwrap().iter().filter(|entry| entry.kind == kind).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.held.lock().unwrap().clear();
        // Wakes the listener.
        let _ = TcpStream::connect(self.shared.address.replace("localhost", "127.0.0.1"));
    }
}

impl Shared {
    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let line = Line::new(stream, self.certificate.as_ref())?;
        let line = &line;
        let mut reader = BufReader::new(line);
        while let Some(head) = Head::read(&mut reader)? {
            let kind = Kind::of(head.method(), head.path());
            if self.certificate.is_some() && line.is_plain() {
                // To find out how a registry on this machine speaks, it is asked in the open; but for nothing more.
                if kind != Kind::Probe || head.get("authorization").is_some() {
                    self.guard.note(format!("{} was sent over plain http", head.line));
                }
                let words = "Client sent an HTTP request to an HTTPS server.";
                return self.write(line, &Reply::new(400, words).bytes(head.method()));
            }
            let fault = self.fault(kind, &head);
            let index = {
                let mut entries = self.entries.lock().unwrap();
                let (head, hit) = (head.clone(), fault.is_some());
                let at = Instant::now();
                entries.push(Entry { kind, head, at, received: 0, upstream: None, hit });
                entries.len() - 1
            };
            if !self.serve(line, &mut reader, kind, &head, fault.as_ref(), index)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn fault(&self, kind: Kind, head: &Head) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        rules.iter_mut().find_map(|rule| rule.hits(kind, head).then(|| rule.fault.clone()))
    }

    /// Answers one request. Whether the connection can take another.
    fn serve(
        &self,
        line: &Line,
        reader: &mut impl BufRead,
        kind: Kind,
        head: &Head,
        fault: Option<&Fault>,
        index: usize,
    ) -> io::Result<bool> {
        // A secret is on the right wire or not, whatever is answered.
        let allowed = if kind == Kind::Token { Ok(()) } else { self.guard.check(head) };
        let length = head.length().unwrap_or(0);
        let mut body = Vec::new();
        match fault {
            Some(Fault::InBody(bytes, end)) => {
                reader.take(length.min(*bytes as u64)).read_to_end(&mut body)?;
                self.entries.lock().unwrap()[index].received = body.len() as u64;
                if let Some(keeper) = &self.keeper {
                    keeper.keep(head, &body);
                } else if allowed.is_ok() && kind != Kind::Token && !body.is_empty() {
                    // The registry sees a client that dies.
                    drop(send(&self.upstream, head, &body)?);
                }
                return self.end(line, *end).map(|()| false);
            }
            Some(Fault::SipBody) => {
                let mut byte = [0];
                while !self.over.load(Ordering::Relaxed) && reader.read(&mut byte)? > 0 {
                    thread::sleep(SIP);
                }
                return Ok(false);
            }
            Some(Fault::Early(reply)) => {
                let reply = self.signed(reply.clone()).with("Connection", "close");
                self.write(line, &reply.bytes(head.method()))?;
                // Closing at once would take back the answer, should the client still be sending.
                line.shutdown(Shutdown::Write)?;
                io::copy(reader, &mut io::sink())?;
                return Ok(false);
            }
            _ => {}
        }
        reader.take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Ok(false);
        }
        self.entries.lock().unwrap()[index].received = length;
        let mut head = head.clone();
        let fits = match &self.keeper {
            Some(keeper) if kind == Kind::Status => keeper.status(&head),
            Some(keeper) if matches!(kind, Kind::Put | Kind::Patch) => {
                keeper.complete(&mut head, &mut body)
            }
            _ => None,
        };
        let head = &head;
        let mut reply = match (fault, allowed, fits) {
            (Some(Fault::Answer(reply)), ..) => self.signed(reply.clone()),
            (_, Err(refused), _) => refused,
            (_, Ok(()), Some(answer)) => answer,
            (_, Ok(()), None) if kind == Kind::Token => self.guard.token(head),
            (_, Ok(()), None) => self.forward(kind, head, &body, index)?,
        };
        if let Some(Fault::Change(change)) = fault {
            let wishes = Wishes {
                origin: format!("{}://{}", self.scheme, self.address),
                elsewhere: format!("http://{}", self.elsewhere.lock().unwrap()),
                request: head.clone(),
            };
            change(&mut reply, &wishes);
        }
        let bytes = reply.bytes(head.method());
        match fault {
            Some(Fault::InAnswer(at, end)) => {
                // Never all of it, or nothing would be wrong.
                self.write(line, &bytes[..bytes.len().saturating_sub(1).min(*at)])?;
                return self.end(line, *end).map(|()| false);
            }
            Some(Fault::SipAnswer) => {
                let (slow, rest) = bytes.split_at(SIPS.min(bytes.len()));
                for byte in slow.chunks(1) {
                    self.write(line, byte)?;
                    thread::sleep(SIP);
                }
                self.write(line, rest)?;
            }
            _ => self.write(line, &bytes)?,
        }
        Ok(true)
    }

    /// A refusal for want of credentials says which are wanted.
    fn signed(&self, reply: Reply) -> Reply {
        match reply.status() {
            401 => reply.with("WWW-Authenticate", self.guard.challenge()),
            _ => reply,
        }
    }

    fn forward(&self, kind: Kind, head: &Head, body: &[u8], index: usize) -> io::Result<Reply> {
        if kind == Kind::ManifestPut {
            let text = String::from_utf8_lossy(body);
            let confirmed = self.confirmed.lock().unwrap();
            for digest in text.split('"').filter(|part| part.starts_with("sha256:")) {
                if !confirmed.contains(digest) {
                    self.guard.note(format!("the manifest came before {digest}"));
                }
            }
        }
        let reply = ask(&self.upstream, head, body)?;
        self.entries.lock().unwrap()[index].upstream = Some(reply.status());
        let digest = match (kind, reply.status()) {
            (Kind::Put, 201) => head.query("digest"),
            (Kind::Post, 201) => head.query("mount").or(head.query("digest")),
            (Kind::Head | Kind::BlobGet, 200) => head.path().rsplit('/').next(),
            _ => None,
        };
        if let Some(digest) = digest {
            self.confirmed.lock().unwrap().insert(digest.replace("%3A", ":"));
        }
        Ok(reply)
    }

    fn end(&self, line: &Line, end: End) -> io::Result<()> {
        match end {
            End::Reset => line.reset(),
            End::Close => line.shutdown(Shutdown::Both),
            End::Hold => {
                self.held.lock().unwrap().push(line.hold()?);
                Ok(())
            }
        }
    }

    fn write(&self, mut line: &Line, bytes: &[u8]) -> io::Result<()> {
        if self.over.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        line.write_all(bytes)?;
        line.flush()
    }
}
