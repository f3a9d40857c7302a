//! Certificates, both ways, where users keep them; and proxies from the environment.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use support::demo::{Demo, explained};
use support::outcome::Outcome;
use support::registry::{DockerRegistry, Options};

fn push(demo: &Demo, reference: &str) -> Command {
    let mut oci = demo.ask("oci");
    oci.args(["--max-layers", "2", "--push", reference]);
    oci
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Copies files into a new folder, under other names.
fn fill(folder: &Path, files: &[(&PathBuf, &str)]) {
    fs::create_dir_all(folder).expect("creating a folder");
    for (from, name) in files {
        fs::copy(from, folder.join(name)).expect("copying a file");
    }
}

#[test]
fn a_registry_that_wants_to_see_a_certificate() {
    peer!("docker-registry", "openssl");
    let (demo, registry, other) = (Demo::new(), DockerRegistry::mutual(), DockerRegistry::mutual());
    let reference = registry.reference("app:1");
    let ca = registry.ca().expect("an authority");
    let (cert, key) = registry.client_certificate();
    let flags = |cert: &Path, key: &Path| {
        let mut push = push(&demo, &reference);
        push.args(["--ca", text(&ca), "--cert", text(cert), "--key", text(key)]);
        Outcome::of(&mut push)
    };
    let none = Outcome::of(push(&demo, &reference).args(["--ca", text(&ca)]));
    explained(none, 1, &["client certificate", &registry.host(), "`--cert FILE --key FILE`"]);
    let (foreign_cert, foreign_key) = other.client_certificate();
    explained(flags(&foreign_cert, &foreign_key), 1, &["client certificate", &registry.host()]);
    explained(flags(&cert, &foreign_key), 1, &["client.pem", "not that of the certificate"]);
    explained(flags(&ca, Path::new("store/nowhere")), 1, &["nowhere"]);
    explained(Outcome::of(push(&demo, &reference).args(["--cert", "x"])), 2, &["--key"]);
    flags(&cert, &key).success();

    // Where podman and docker look, with the registry's name.
    for folder in ["home/.config/containers/certs.d", "home/.docker/certs.d"] {
        let here = demo.path(folder).join(registry.host());
        fill(&here, &[(&ca, "ca.crt"), (&cert, "me.cert"), (&key, "me.key")]);
        Outcome::of(push(&demo, &reference).env("HOME", demo.path("home"))).success();
        fs::remove_dir_all(demo.path("home")).expect("removing a folder");
    }
    let here = demo.path("config/containers/certs.d").join(registry.host());
    fill(&here, &[(&ca, "ca.crt"), (&cert, "me.cert")]);
    let mut push = push(&demo, &reference);
    push.env("XDG_CONFIG_HOME", demo.path("config"));
    explained(Outcome::of(&mut push), 1, &["me.cert", "`.key`"]);
    fill(&here, &[(&key, "me.key")]);
    Outcome::of(&mut push).success();
}

#[test]
fn authorities_in_the_environment() {
    peer!("docker-registry", "openssl");
    let demo = Demo::new();
    let tls = Options { htpasswd: None, tls: true };
    let (registry, other) = (DockerRegistry::start(tls), DockerRegistry::start(tls));
    let [ca, foreign] = [&registry, &other].map(|it| it.ca().expect("an authority"));
    let with = |variables: &[(&str, &PathBuf)]| {
        let mut push = push(&demo, &registry.reference("app:1"));
        Outcome::of(push.envs(variables.iter().copied()))
    };
    with(&[("SSL_CERT_FILE", &ca)]).success();
    with(&[("NIX_SSL_CERT_FILE", &ca)]).success();
    with(&[("SSL_CERT_FILE", &ca), ("NIX_SSL_CERT_FILE", &foreign)]).success();
    for wrong in [
        &[("NIX_SSL_CERT_FILE", &foreign)][..],
        &[("SSL_CERT_FILE", &foreign), ("NIX_SSL_CERT_FILE", &ca)],
        &[("NIX_SSL_CERT_FILE", &PathBuf::from("/no-cert-file.crt"))],
    ] {
        explained(with(wrong), 1, &["not trusted", "`--ca FILE`"]);
    }
}

#[test]
fn insecure_is_said_for_one_registry_and_warned_of() {
    peer!("docker-registry", "openssl");
    let demo = Demo::new();
    let registry = DockerRegistry::start(Options { htpasswd: None, tls: true });
    let with = |insecure: &str| {
        Outcome::of(push(&demo, &registry.reference("app:1")).args(["--insecure", insecure]))
    };
    let warning = "(--insecure)";
    with(&registry.host())
        .success()
        .complains(&format!("`{}`", registry.host()))
        .complains(warning);
    explained(with("127.0.0.1"), 1, &["not trusted"]);
    explained(with("no"), 2, &["`no`", "HOST[:PORT]"]);
}

/// A proxy that leads whatever host is asked for to one port, and notes what it was asked with.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Lets through who says `Proxy-Authorization: ALLOWED`.
    fn start(target: u16, allowed: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
        let port = listener.local_addr().expect("an address").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                // Who hangs up is done.
                thread::spawn(move || tunnel(&stream, target, allowed, &seen));
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("a lock").clone()
    }
}

fn tunnel(
    client: &TcpStream,
    target: u16,
    allowed: &str,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let refused = !head.contains(allowed);
    seen.lock().expect("a lock").push(head);
    let mut writer = client;
    if refused {
        writer.write_all(b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n")?;
        return client.shutdown(Shutdown::Both);
    }
    let server = TcpStream::connect(("127.0.0.1", target))?;
    writer.write_all(b"HTTP/1.1 200 X\r\n\r\n")?;
    let back = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let (mut from, mut to) = back;
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    std::io::copy(&mut reader.by_ref(), &mut &server)?;
    server.shutdown(Shutdown::Write)
}

#[test]
fn proxies_are_used_but_for_this_machine() {
    peer!("docker-registry", "openssl");
    let demo = Demo::new();
    let registry = DockerRegistry::start(Options { htpasswd: None, tls: true });
    let host = registry.host();
    let (_, port) = host.rsplit_once(':').expect("a port");
    // `ann:pr0xy-p4ss`
    let basic = "Proxy-Authorization: Basic YW5uOnByMHh5LXA0c3M=";
    let proxy = Proxy::start(port.parse().expect("a port"), "YW5uOnByMHh5LXA0c3M=");
    let ca = registry.ca().expect("an authority");
    let through = |variable: &str, password: &str, reference: &str| {
        let mut push = push(&demo, reference);
        let url = format!("http://ann:{password}@127.0.0.1:{}", proxy.port);
        Outcome::of(push.args(["--ca", text(&ca)]).env(variable, url))
    };
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        through(variable, "pr0xy-p4ss", "registry.test/app:1").success();
    }
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    for head in &heads {
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with("CONNECT registry.test:443 "), "{head}");
        assert!(lower.contains(&basic.to_ascii_lowercase()), "{head}");
    }
    // One that does not let us through is no place to show its password.
    let outcome = through("HTTPS_PROXY", "wr0ng-p4ss", "registry.test/app:1");
    for secret in ["wr0ng-p4ss", "YW5uOndyMG5nLXA0c3M="] {
        assert!(!outcome.errors().contains(secret), "{}", outcome.errors());
    }
    explained(outcome, 1, &["`registry.test`"]);

    let before = proxy.heads().len();
    through("HTTPS_PROXY", "pr0xy-p4ss", &registry.reference("app:1")).success();
    let mut excepted = push(&demo, "registry.test/app:1");
    excepted.env("NO_PROXY", "registry.test");
    excepted.env("HTTPS_PROXY", format!("http://ann:pr0xy-p4ss@127.0.0.1:{}", proxy.port));
    explained(Outcome::of(&mut excepted), 1, &["`registry.test`"]);
    assert_eq!(proxy.heads().len(), before);
}

#[test]
fn mirrors_are_for_pulls() {
    peer!("docker-registry");
    let (demo, mirror, origin) = (Demo::new(), DockerRegistry::plain(), DockerRegistry::plain());
    Outcome::of(&mut push(&demo, &mirror.reference("cache/app:1"))).success();
    let conf = |origin: &str, more: &str| {
        let text = format!(
            "[[registry]]\nlocation = \"{origin}\"\n{more}\n[[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n\
            [[registry.mirror]]\nlocation = \"{}/cache\"\n",
            mirror.host()
        );
        fs::write(demo.path("registries.conf"), text).expect("writing a file");
    };
    let run = |command: &mut Command| {
        Outcome::of(command.env("CONTAINERS_REGISTRIES_CONF", demo.path("registries.conf")))
    };
    // A host that nobody is at; the mirror before it is out of order, too.
    conf("127.0.0.1:2", "");
    let gone = "127.0.0.1:2/app:1";
    let mut diff = demo.command();
    run(diff.args(["diff", gone, &mirror.reference("cache/app:1")])).success();
    conf("127.0.0.1:2", "blocked = true");
    explained(run(&mut diff), 1, &["blocks `127.0.0.1:2`"]);
    // Pushes pay no heed.
    conf(&origin.host(), "");
    run(&mut push(&demo, &origin.reference("app:1"))).success();
    assert!(origin.storage().join("docker/registry/v2/repositories/app").exists());
    conf(&origin.host(), "blocked = 1");
    let mut diff = demo.command();
    diff.args(["diff", &origin.reference("app:1"), &origin.reference("app:1")]);
    explained(run(&mut diff), 1, &["registries.conf", "boolean"]);
}
