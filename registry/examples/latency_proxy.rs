//! A line that is long and wide: passes TCP connections on, each byte half a round trip later.
//!
//! ```text
//! cargo run --release -p registry --example latency_proxy -- LISTEN TARGET MILLISECONDS COUNTERS
//! ```
//!
//! For the benchmarks. Order is kept and bandwidth is not limited. A new connection costs one round trip before its
//! first byte, as the handshake of TCP would. Whoever connects to COUNTERS reads one line, `CONNECTIONS UP DOWN`
//! (bytes), of what came since the last time.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;
/// Pieces on the way in one direction: memory is bounded, and at 50 ms the line takes a gigabyte a second.
const ON_THE_WAY: usize = 1024;

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target, milliseconds, counters] = &words[..] else {
        return Err("usage: latency_proxy LISTEN TARGET MILLISECONDS COUNTERS".into());
    };
    let round_trip = Duration::from_millis(milliseconds.parse()?);
    let listener = TcpListener::bind(listen)?;
    let asked = TcpListener::bind(counters)?;
    let counters = Arc::new(Counters::default());

    let known = Arc::clone(&counters);
    thread::spawn(move || {
        for mut stream in asked.incoming().flatten() {
            let [connections, up, down] = [&known.connections, &known.up, &known.down]
                .map(|counter| counter.swap(0, Ordering::Relaxed));
            // Whoever asks and does not listen has had their chance.
            let _ = writeln!(stream, "{connections} {up} {down}");
        }
    });

    for client in listener.incoming() {
        let client = client?;
        let open = Instant::now() + round_trip;
        counters.connections.fetch_add(1, Ordering::Relaxed);
        let (counters, target) = (Arc::clone(&counters), target.clone());
        // A side that leaves ends the connection; there is nobody to tell.
        thread::spawn(move || carry(&client, &target, open, round_trip / 2, &counters).ok());
    }
    Ok(())
}

/// Carries one connection, whose first byte cannot leave before `open`, until both sides are through.
fn carry(
    client: &TcpStream,
    target: &str,
    open: Instant,
    delay: Duration,
    counters: &Counters,
) -> io::Result<()> {
    let server = &TcpStream::connect(target)?;
    for stream in [client, server] {
        stream.set_nodelay(true)?;
    }
    thread::scope(|scope| {
        for (from, to, counter) in
            [(client, server, &counters.up), (server, client, &counters.down)]
        {
            let (pieces, inbox) = sync_channel(ON_THE_WAY);
            scope.spawn(move || take(from, &pieces, open, delay, counter));
            scope.spawn(move || {
                // What cannot be delivered ends the other direction, too.
                if deliver(to, &inbox).is_err() {
                    let _ = from.shutdown(Shutdown::Both);
                }
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    Ok(())
}

type Piece = (Instant, Vec<u8>);

fn take(
    mut from: &TcpStream,
    pieces: &SyncSender<Piece>,
    open: Instant,
    delay: Duration,
    counter: &AtomicU64,
) {
    let mut buffer = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
        let due = Instant::now().max(open) + delay;
        if pieces.send((due, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn deliver(mut to: &TcpStream, inbox: &Receiver<Piece>) -> io::Result<()> {
    for (due, bytes) in inbox {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        to.write_all(&bytes)?;
    }
    Ok(())
}
