//! A registry that keeps what it got of a broken body, as distribution 3 does and Debian's does not: the proxy keeps it
//! instead, tells how much there is when it is asked, and puts it before what comes later.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::wire::{Head, Reply};

#[derive(Default)]
pub(crate) struct Keeper {
    /// By the path of the session: its newest URL, and the bytes.
    kept: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
}

impl Keeper {
    /// Takes the beginning of a body.
    pub(crate) fn keep(&self, head: &Head, body: &[u8]) {
        let mut kept = self.kept.lock().unwrap();
        let session = kept.entry(head.path().to_owned()).or_default();
        // Without the digest that ends it.
        let target = head.target();
        target[..target.find("digest=").map_or(target.len(), |at| at - 1)]
            .clone_into(&mut session.0);
        if head.get("content-range").is_none() {
            session.1.clear();
        }
        session.1.extend(body);
    }

    /// The answer to how much there is, if anything is kept.
    pub(crate) fn status(&self, head: &Head) -> Option<Reply> {
        let kept = self.kept.lock().unwrap();
        let (url, bytes) = kept.get(head.path())?;
        let range = format!("0-{}", bytes.len().saturating_sub(1));
        Some(Reply::new(204, "").with("Location", url).with("Range", range))
    }

    /// Makes a whole of what came before and what comes now. An answer if they do not fit.
    pub(crate) fn complete(&self, head: &mut Head, body: &mut Vec<u8>) -> Option<Reply> {
        let mut kept = self.kept.lock().unwrap();
        let (_, bytes) = kept.get(head.path())?;
        let start: Option<usize> =
            head.get("content-range").and_then(|range| range.split('-').next()?.parse().ok());
        match start {
            Some(start) if start == bytes.len() => {}
            // A session that ends: all is there.
            None if body.is_empty() && head.method() == "PUT" => {}
            None => {
                kept.remove(head.path());
                return None;
            }
            Some(_) => {
                return Some(Reply::error(416, "RANGE_INVALID", "that is not the next byte"));
            }
        }
        let (_, mut bytes) = kept.remove(head.path()).unwrap_or_default();
        bytes.append(body);
        *body = bytes;
        head.remove("content-range");
        head.set("Content-Length", body.len().to_string());
        None
    }
}
