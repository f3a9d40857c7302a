//! A web server for the files of a folder, as `zsync` needs one: with several ranges at once. It counts what it
//! gives away.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A running server; its threads end with the test process.
pub struct RangeServer {
    port: u16,
    given: Arc<AtomicU64>,
}

const BOUNDARY: &str = "next";

impl RangeServer {
    /// Starts one on a free port.
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
        let port = listener.local_addr().expect("an address").port();
        let given = Arc::new(AtomicU64::new(0));
        let (folder, sum) = (folder.to_owned(), Arc::clone(&given));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, sum) = (folder.clone(), Arc::clone(&sum));
                // A client that hangs up is its own affair.
                thread::spawn(move || serve(&stream, &folder, &sum));
            }
        });
        Self { port, given }
    }

    /// `http://127.0.0.1:PORT/NAME`
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// Bytes of files that were asked for, but for those of whole files.
    pub fn given_in_ranges(&self) -> u64 {
        self.given.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, folder: &Path, given: &AtomicU64) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let request = lines.next()?.ok()?;
        let mut ranges = None;
        let mut last = request.ends_with("HTTP/1.0");
        for line in lines.by_ref() {
            let line = line.ok()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            if name.eq_ignore_ascii_case("range") {
                ranges = Some(value.trim().strip_prefix("bytes=")?.to_owned());
            }
            last |= name.eq_ignore_ascii_case("connection")
                && value.trim().eq_ignore_ascii_case("close");
        }
        let path = request.split(' ').nth(1)?;
        let path =
            path.strip_prefix("http://").map_or(path, |rest| &rest[rest.find('/').unwrap_or(0)..]);
        let name = path.trim_start_matches('/').replace("%20", " ");
        let reply = match fs::read(PathBuf::from(folder).join(name)) {
            Ok(file) => answer(&file, ranges.as_deref(), given)?,
            Err(_) => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        (&*stream).write_all(&reply).ok()?;
        if last {
            return stream.shutdown(Shutdown::Both).ok();
        }
    }
}

fn answer(file: &[u8], ranges: Option<&str>, given: &AtomicU64) -> Option<Vec<u8>> {
    let Some(ranges) = ranges else {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
        return Some([head.as_bytes(), file].concat());
    };
    let mut parts = Vec::new();
    for range in ranges.split(',') {
        let (first, last) = range.trim().split_once('-')?;
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let last = last.min(file.len() - 1);
        given.fetch_add((last + 1 - first) as u64, Ordering::SeqCst);
        parts.push((
            format!("Content-Range: bytes {first}-{last}/{}\r\n", file.len()),
            &file[first..=last],
        ));
    }
    let (head, body) = if let [(range, bytes)] = &parts[..] {
        (range.clone(), bytes.to_vec())
    } else {
        let mut body = Vec::new();
        for (range, bytes) in parts {
            body.extend(format!("\r\n--{BOUNDARY}\r\n{range}\r\n").bytes());
            body.extend(bytes);
        }
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
        (format!("Content-Type: multipart/byteranges; boundary={BOUNDARY}\r\n"), body)
    };
    let head =
        format!("HTTP/1.1 206 Partial Content\r\n{head}Content-Length: {}\r\n\r\n", body.len());
    Some([head.as_bytes(), &body].concat())
}
