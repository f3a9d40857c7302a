//! One registry: what all clients of it share, and what is known of it.
//!
//! Connections, challenges and tokens are the host's, and so are its habits, which outlive the run.

mod base;
mod call;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;

use crate::auth::{Access, Auth, lock};
use crate::cache::{Cache, Habits};
use crate::upload::Permits;
use crate::wire::origin::Origin;
use crate::wire::retry::Policy;
use crate::wire::transport::Transport;
use crate::{ClientOptions, Error};

/// A few connections fill any line; more only share it.
const BODIES: usize = 8;
/// The largest blob that is sent with the POST: it cannot be gone on with where it broke.
const POSTED: u64 = 1 << 20;
/// The largest blob that is worth losing to find out.
const TRIAL: u64 = 64 << 10;

pub(crate) struct Host {
    /// `host[:port]`, as the user named it.
    name: String,
    /// Whether the user accepts plain http from it.
    insecure: bool,
    transport: Transport,
    auth: Auth,
    /// `https://HOST/` or `http://HOST/`, once that is known.
    base: Mutex<Option<Url>>,
    habits: Mutex<Habits>,
    /// Whether somebody is finding out if a blob may go with the POST.
    trial: AtomicBool,
    /// What a token was renewed for because of a 403.
    renewed: Mutex<BTreeSet<Access>>,
    pub(crate) cache: Cache,
    /// Bodies on their way.
    pub(crate) bodies: Permits,
    pub(crate) retry: Policy,
}

impl Host {
    pub(crate) fn new(name: &str, options: ClientOptions) -> Result<Self, Error> {
        let cache = Cache::new(options.cache.clone());
        let habits = cache.habits(name);
        Ok(Self {
            transport: Transport::new(name, &options)?,
            insecure: options.is_insecure(name),
            name: name.to_owned(),
            base: Mutex::new(None),
            trial: AtomicBool::new(false),
            renewed: Mutex::default(),
            cache,
            bodies: Permits::new(BODIES),
            retry: Policy { first_wait: options.first_wait, deadline: options.deadline },
            auth: Auth::new(options, name, habits.scheme.clone()),
            habits: Mutex::new(habits),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn habits(&self) -> Habits {
        lock(&self.habits).clone()
    }

    /// Remembers what was found out, for this run and later ones.
    pub(crate) fn learn(&self, change: impl FnOnce(&mut Habits)) {
        let mut habits = lock(&self.habits);
        let before = habits.clone();
        change(&mut habits);
        if *habits != before {
            self.cache.keep_habits(&self.name, &habits);
        }
    }

    /// Whether a blob of this size may be sent with the POST. One thread at a time finds out.
    pub(crate) fn may_post(&self, size: u64) -> bool {
        match self.habits().takes_post {
            Some(takes) => takes && size <= POSTED,
            None => size <= TRIAL && !self.trial.swap(true, Ordering::SeqCst),
        }
    }

    /// What came of sending a blob with the POST; `None` if that says nothing about the way.
    pub(crate) fn end_trial(&self, taken: Option<bool>) {
        self.learn(|habits| habits.takes_post = taken.or(habits.takes_post));
        self.trial.store(false, Ordering::SeqCst);
    }

    /// The URL, if it leads to this registry itself.
    pub(crate) fn ours(&self, url: Url) -> Option<Url> {
        let base = self.base().ok()?;
        (Origin::of(&url) == Origin::of(&base)).then_some(url)
    }

    /// Whether the registry is known to want credentials.
    pub(crate) fn asks(&self) -> bool {
        self.auth.knows_scheme()
    }

    /// The URL of `path`, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Error> {
        let mut url = self.base()?;
        url.set_path(path);
        Ok(url)
    }
}
