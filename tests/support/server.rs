//! A server on a leash: it ends with its guard, and with the test process however that ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The pipe on standard input is the leash: when its far end closes, the server is asked to end, later forced. A death
/// signal (`prctl`) would not do, since it follows the thread that started the server, not the process.
const LEASH: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{
  cat <&3
  kill $server
  for i in $(seq 200); do kill -0 $server || exit; sleep 0.1; done
  kill -9 $server
} >/dev/null 2>&1 &
exec 3<&-
wait $server
"#;

/// A running server.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program with both its outputs in the log.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> Self {
        let out = File::create(log).expect("creating a server's log");
        let err = out.try_clone().expect("sharing a server's log");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", LEASH, "leash"]).arg(program).args(args);
        let child = command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("starting {}: {error}", program.display()));
        Self { child, log: log.to_owned() }
    }

    /// Asks again and again until there is an answer. `Err` has the log: the server ended, or was silent for too long.
    pub fn wait_for<T>(&mut self, mut answer: impl FnMut(&Self) -> Option<T>) -> Result<T, String> {
        let patience = Duration::from_secs(60);
        let start = Instant::now();
        loop {
            if let Some(answer) = answer(self) {
                return Ok(answer);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status}:\n{}", self.log()));
            }
            if start.elapsed() > patience {
                return Err(format!("silent for {patience:?}:\n{}", self.log()));
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A web server for the files of a folder: busybox's. Needs `peer!("busybox")`.
pub struct WebServer {
    port: u16,
    _server: Server,
}

impl WebServer {
    /// Serves `dir` on a free port of this machine; its log goes to `log`.
    #[track_caller]
    pub fn start(dir: &Path, log: &Path) -> Self {
        // Another may take the port that was free; then another one will do.
        for _ in 0..20 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("finding a free port");
            let port = free.local_addr().expect("asking for its number").port();
            drop(free);
            let at = format!("127.0.0.1:{port}");
            let args = ["httpd", "-f", "-p", &at, "-h"].map(OsStr::new);
            let args = args.into_iter().chain([dir.as_os_str()]);
            let mut server = Server::start(&super::peer::program("busybox"), args, log);
            if server.wait_for(|_| TcpStream::connect(&at).ok()).is_ok() {
                return Self { port, _server: server };
            }
        }
        panic!("no port is free");
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}
