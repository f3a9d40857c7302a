//! A server that gives out tokens for a registry, as <https://distribution.github.io/distribution/spec/auth/token/>
//! has it: JSON Web Tokens, signed by openssl, with the certificate in them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::outcome::Outcome;
use super::peer::program;

const SERVICE: &str = "closure2img-tests";
const ISSUER: &str = "closure2img-token-server";
/// For how long a registry takes tokens that have expired.
pub const LEEWAY: i64 = 60;

/// For how many seconds the token with this number, from 0, is valid; negative if it is expired at birth.
type Lifetime = dyn Fn(usize) -> i64 + Send + Sync;

/// A running server; its threads end with the test process. Needs `peer!("openssl")`.
pub struct TokenServer {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    dir: TempDir,
    /// `ann:password` in base 64.
    basic: String,
    lifetime: Box<Lifetime>,
    /// All that were given out.
    tokens: Mutex<Vec<String>>,
}

impl TokenServer {
    /// Starts one for a user with this name and password.
    pub fn start(
        user: &str,
        password: &str,
        lifetime: impl Fn(usize) -> i64 + Send + Sync + 'static,
    ) -> Self {
        let dir = super::temp_dir();
        let mut openssl = Command::new(program("openssl"));
        openssl.current_dir(dir.path()).args(["req", "-x509", "-nodes", "-newkey", "rsa:2048"]);
        openssl.args(["-subj", "/CN=closure2img tokens", "-days", "30"]);
        Outcome::of(openssl.args(["-keyout", "key.pem", "-out", "cert.pem"])).success();
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            dir,
            basic: BASE64.encode(format!("{user}:{password}").as_bytes()),
            lifetime: Box::new(lifetime),
            tokens: Mutex::default(),
        });
        let of_threads = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_threads);
                // A client that hangs up is its own affair.
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { port, shared }
    }

    /// Makes a registry's configuration want tokens of this server.
    pub fn configure(&self, config: &mut Value, _: &Path) {
        config["auth"]["token"] = json!({
            "realm": format!("http://127.0.0.1:{}/token", self.port),
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": self.shared.dir.path().join("cert.pem"),
        });
    }

    /// The tokens so far.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.tokens.lock().expect("a lock").clone()
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut known, mut length) = (false, 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "authorization" => known = value.strip_prefix("Basic ") == Some(&shared.basic),
                "content-length" => length = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
        let (status, body) = match known {
            true => (200, shared.token(&target)),
            false => (401, json!({ "details": "incorrect username or password" })),
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut out = stream;
        out.write_all((head + &body).as_bytes())?;
    }
}

impl Shared {
    /// The token for the scopes in `/token?…&scope=repository%3Aapp%3Apull%2Cpush`. What it says of its own life is a
    /// lie: the registry alone finds out, as when clocks differ or a token is revoked.
    fn token(&self, target: &str) -> Value {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
        let access: Vec<Value> = scopes
            .map(|scope| scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/"))
            .map(|scope| {
                let parts: Vec<&str> = scope.split(':').collect();
                let actions: Vec<&str> = parts[2].split(',').collect();
                json!({ "type": parts[0], "name": parts[1], "actions": actions })
            })
            .collect();
        let mut tokens = self.tokens.lock().expect("a lock");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let now = i64::try_from(now).expect("a time");
        let claims = json!({
            "iss": ISSUER, "sub": "ann", "aud": SERVICE, "iat": now - 600, "nbf": now - 600,
            "exp": now - LEEWAY + (self.lifetime)(tokens.len()),
            "jti": tokens.len().to_string(), "access": access,
        });
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.certificate()] });
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&self.sign(&signed)));
        tokens.push(token.clone());
        json!({ "token": token, "expires_in": 300 })
    }

    /// The certificate in base 64, which is what stands between the lines of PEM.
    fn certificate(&self) -> String {
        let pem = fs::read_to_string(self.dir.path().join("cert.pem")).expect("a certificate");
        pem.lines().filter(|line| !line.starts_with('-')).collect()
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let mut openssl = Command::new(program("openssl"));
        openssl.current_dir(self.dir.path()).args(["dgst", "-sha256", "-sign", "key.pem"]);
        let mut child =
            openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting openssl");
        let mut stdin = child.stdin.take().expect("standard input");
        stdin.write_all(text.as_bytes()).expect("writing to openssl");
        drop(stdin);
        child.wait_with_output().expect("waiting for openssl").stdout
    }
}
