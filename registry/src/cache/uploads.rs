//! Uploads that are under way: a run that is killed leaves word where the next one may go on.

use std::path::Path;
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::Cache;
use crate::Digest;

const KIND: &str = "uploads";
const LIMIT: u64 = 64 << 10;
/// Registries clear away what nobody finished; distribution does so after a week, others sooner.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize, Deserialize)]
struct Record {
    location: String,
    /// Seconds since 1970.
    begun: u64,
    /// The process that is at it, or was.
    process: u32,
}

impl Cache {
    /// Where the upload of the blob to this repository, `host/name`, was.
    pub(crate) fn upload(&self, repository: &str, digest: &Digest) -> Option<Url> {
        let bytes = self.read(KIND, &key(repository, digest), LIMIT)?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        let age = now().checked_sub(record.begun)?;
        // Two at one upload would only spoil it for each other.
        let is_at_it = record.process != process::id()
            && Path::new(&format!("/proc/{}", record.process)).exists();
        (age < LIFETIME.as_secs() && !is_at_it).then(|| record.location.parse().ok())?
    }

    pub(crate) fn keep_upload(&self, repository: &str, digest: &Digest, location: &Url) {
        let record =
            Record { location: location.to_string(), begun: now(), process: process::id() };
        if let Ok(bytes) = serde_json::to_vec(&record) {
            self.write(KIND, &key(repository, digest), &bytes);
        }
    }

    pub(crate) fn forget_upload(&self, repository: &str, digest: &Digest) {
        self.remove(KIND, &key(repository, digest));
    }
}

fn key(repository: &str, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_remembered_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().into()));
        let (digest, location) = (Digest::of(b"x"), "https://h/u?_state=s".parse().unwrap());
        cache.keep_upload("h/a", &digest, &location);
        assert_eq!(cache.upload("h/a", &digest), Some(location.clone()));
        assert_eq!(cache.upload("h/b", &digest), None);
        let record = |begun, process| Record { location: location.to_string(), begun, process };
        for (record, found) in [
            (record(now() - 24 * 3600, process::id()), false),
            // The first process is always there, and no process has the last number.
            (record(now(), 1), false),
            (record(now(), u32::MAX), true),
        ] {
            cache.write(KIND, &key("h/a", &digest), &serde_json::to_vec(&record).unwrap());
            assert_eq!(cache.upload("h/a", &digest).is_some(), found, "{}", record.process);
        }
        cache.keep_upload("h/a", &digest, &location);
        cache.forget_upload("h/a", &digest);
        assert_eq!(cache.upload("h/a", &digest), None);
    }
}
