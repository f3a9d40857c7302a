//! Another host, to which a registry may lead: it passes on what it gets and remembers it.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::wire::{Head, ask};

/// A request with its body.
type Seen = (Head, Vec<u8>);

pub(crate) struct Elsewhere {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Elsewhere {
    pub(crate) fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::default());
        let (known, upstream) = (Arc::clone(&seen), upstream.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, upstream) = (Arc::clone(&known), upstream.clone());
                thread::spawn(move || pass(&stream, &upstream, &known).ok());
            }
        });
        Self { address, seen }
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The first request in which one of the secrets is, or any `Authorization`.
    pub(crate) fn leak(&self, secrets: &[String]) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        let leaks = |(head, body): &Seen| {
            let text =
                format!("{head:?}{}", String::from_utf8_lossy(&body[..body.len().min(4096)]));
            let secret = secrets.iter().any(|secret| text.contains(secret.as_str()));
            head.get("authorization").is_some() || secret
        };
        seen.iter().find(|request| leaks(request)).map(|(head, _)| format!("{head:?}"))
    }
}

fn pass(mut stream: &TcpStream, upstream: &str, seen: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(head) = Head::read(&mut reader)? {
        let mut body = Vec::new();
        reader.by_ref().take(head.length().unwrap_or(0)).read_to_end(&mut body)?;
        seen.lock().unwrap().push((head.clone(), body.clone()));
        let reply = ask(upstream, &head, &body)?;
        stream.write_all(&reply.bytes(head.method()))?;
    }
    Ok(())
}
