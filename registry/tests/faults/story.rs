//! What the client does while things break, and what must be true afterwards, whatever broke.
//!
//! At the tag there is an image already. A story ends with the new image there, to the byte, or with an error that a
//! person can use and the old image as it was; after a bounded number of requests, and with no secret where none
//! belongs. The registry is asked around the proxy.

use std::error::Error as _;
use std::fmt::Write as _;
use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use registry::{
    Authority, Blob, Client, ClientOptions, Environment, Error, Manifest, Memory, Silent, push,
};

use crate::fault::{Kind, Rule};
use crate::guard::basic;
use crate::proxy::{Proxy, Setting};
use crate::upstream::Upstream;

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
/// What faults say that speak like a registry.
pub(crate) const WORDS: &str = "told by the proxy";
/// Three blobs, each with every method and every retry that there is, stay well below it.
const MAX_REQUESTS: usize = 200;
/// Silence that is a fault. Where none is expected, a busy machine shall not be taken for one; nor where silence must be
/// told from a registry that recovers. Where all is silent it is only waited for.
pub(crate) const NO_SILENCE: Duration = Duration::from_secs(20);
pub(crate) const SOME_SILENCE: Duration = Duration::from_secs(1);
pub(crate) const ONLY_SILENCE: Duration = Duration::from_millis(500);

pub(crate) struct Image {
    pub(crate) blobs: Vec<Memory>,
    pub(crate) manifest: Manifest,
}

impl Image {
    fn new(blobs: Vec<Memory>) -> Self {
        let describe = |kind: &str, blob: &Memory| {
            let (digest, size) = (blob.digest(), blob.size());
            format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let layers: Vec<_> = blobs[1..].iter().map(|blob| describe(LAYER_TYPE, blob)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{},"layers":[{}]}}"#,
            describe(CONFIG_TYPE, &blobs[0]),
            layers.join(",")
        );
        Self { blobs, manifest: Manifest::new(MANIFEST_TYPE, manifest) }
    }
}

/// Bytes that do not repeat, so that a piece in the wrong place is seen.
pub(crate) fn noise(size: usize, mut seed: u64) -> Memory {
    let next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(next).take(size.div_ceil(8)).flatten().collect();
    bytes.truncate(size);
    Memory::new(bytes)
}

/// The image to push: a tiny blob, one of 100 KiB, one of 3 MiB.
pub(crate) static NEW: LazyLock<Image> = LazyLock::new(|| {
    let config = Memory::new(*br#"{"architecture":"amd64","os":"linux"}"#);
    Image::new(vec![config, noise(100 << 10, 1), noise(3 << 20, 2)])
});

/// The image that is there already.
pub(crate) static OLD: LazyLock<Image> = LazyLock::new(|| {
    let config = Memory::new(*br#"{"architecture":"amd64","os":"linux","author":"old"}"#);
    Image::new(vec![config, noise(10, 3)])
});

/// What the client is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Look for two blobs, then push the image.
    Push,
    /// Get the manifest at the tag, twice, and a blob of it.
    Pull,
}

/// A registry, a proxy before it, and a client with credentials.
pub(crate) struct Stage {
    pub(crate) upstream: Upstream,
    pub(crate) proxy: Proxy,
    pub(crate) idle: Duration,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self::with(Setting { rules, ..Setting::default() })
    }

    pub(crate) fn with(setting: Setting) -> Self {
        let upstream = Upstream::new();
        let proxy = Proxy::start(&upstream.address, setting);
        let folder = tempfile::tempdir().unwrap();
        let entry = format!(r#"{{"auths": {{"{}": {{"auth": "{}"}}}}}}"#, proxy.address(), basic());
        fs::write(folder.path().join("auth.json"), entry).unwrap();
        Self { upstream, proxy, idle: NO_SILENCE, folder }
    }

    pub(crate) fn options(&self) -> ClientOptions {
        let auth_file = Some(self.folder.path().join("auth.json"));
        let pem = self.proxy.pem().map(|pem| Authority::Pem(pem.as_bytes().to_vec()));
        ClientOptions {
            authorities: pem.into_iter().collect(),
            environment: Environment { auth_file, ..Environment::default() },
            first_wait: Duration::from_millis(1),
            idle: self.idle,
            ..ClientOptions::default()
        }
    }

    pub(crate) fn client(&self) -> Client {
        let reference = format!("{}/{}:v1", self.proxy.address(), self.upstream.repository);
        Client::new(reference.parse().unwrap(), self.options()).unwrap()
    }

    /// Plays `act` to its end and checks all that must be true of it. `Err` says what is not.
    pub(crate) fn play(&self, act: Act) -> Result<Result<(), Error>, String> {
        let result = match act {
            Act::Push => {
                self.upstream.put("v1", &OLD.blobs, &OLD.manifest);
                push_all(&self.client())
            }
            Act::Pull => {
                self.upstream.put("v1", &NEW.blobs, &NEW.manifest);
                pull_all(&self.client())?
            }
        };
        self.check(&result)?;
        Ok(result)
    }

    /// What must be true after any story.
    pub(crate) fn check(&self, result: &Result<(), Error>) -> Result<(), String> {
        let violations = self.proxy.guard().violations();
        if !violations.is_empty() {
            return Err(violations.join("; "));
        }
        let requests = self.proxy.entries().len();
        if requests > MAX_REQUESTS {
            return Err(format!("{requests} requests"));
        }
        match result {
            Ok(()) => self.has_new()?,
            Err(error) => {
                self.tells_no_secret(error)?;
                let manifest = self.upstream.manifest("v1", MANIFEST_TYPE);
                if manifest.as_ref() == Some(&NEW.manifest.bytes) {
                    // The manifest arrived and the answer did not.
                    self.has_new()?;
                } else if manifest.as_ref() != Some(&OLD.manifest.bytes) {
                    return Err("the old image is gone".to_owned());
                }
            }
        }
        Ok(())
    }

    fn has_new(&self) -> Result<(), String> {
        if self.upstream.manifest("v1", MANIFEST_TYPE).as_ref() != Some(&NEW.manifest.bytes) {
            return Err("the tag is not the new image".to_owned());
        }
        for blob in &NEW.blobs {
            if self.upstream.blob(&blob.digest().to_string()).as_deref() != Some(blob.bytes()) {
                return Err(format!("a blob of {} bytes is not there or not whole", blob.size()));
            }
        }
        Ok(())
    }

    fn tells_no_secret(&self, error: &Error) -> Result<(), String> {
        let mut text = format!("{error:?} {error} {:?}", error.hint());
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(text, " {error:?} {error}");
            cause = error.source();
        }
        let mut secrets = self.proxy.guard().secrets();
        // The state of an upload is as good as a password for it.
        secrets.push("_state=".to_owned());
        match secrets.iter().find(|secret| text.contains(secret.as_str())) {
            Some(secret) => Err(format!("the secret {secret} is in: {text}")),
            None => Ok(()),
        }
    }

    /// Whether a rule has befallen a request of this kind.
    pub(crate) fn was_hit(&self, kind: Kind) -> bool {
        self.proxy.entries().iter().any(|entry| entry.hit && entry.kind == kind)
    }
}

/// Asks for a blob that is there and for one that is not, and pushes.
pub(crate) fn push_all(client: &Client) -> Result<(), Error> {
    for blob in [&OLD.blobs[1], &NEW.blobs[0]] {
        client.exists(&blob.digest(), blob.size())?;
    }
    let blobs: Vec<&dyn Blob> = NEW.blobs.iter().map(|blob| blob as &dyn Blob).collect();
    push(client, &blobs, &NEW.manifest, &Silent).map(drop)
}

/// The outer error: something wrong was taken for right.
fn pull_all(client: &Client) -> Result<Result<(), Error>, String> {
    for _ in 0..2 {
        match client.get_manifest("v1") {
            Err(error) => return Ok(Err(error)),
            Ok(Some(manifest)) if manifest == NEW.manifest => {}
            Ok(other) => return Err(format!("got the manifest {other:?}")),
        }
    }
    let blob = &NEW.blobs[1];
    match client.get_blob(&blob.digest(), blob.size()) {
        Err(error) => Ok(Err(error)),
        Ok(bytes) if bytes == blob.bytes() => Ok(Ok(())),
        Ok(_) => Err("got the wrong bytes".to_owned()),
    }
}
