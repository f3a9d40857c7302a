//! What a registry was seen to do, so that nothing has to be found out twice.

use serde::{Deserialize, Serialize};

use super::Cache;
use crate::upload::Method;

const KIND: &str = "registries";
const LIMIT: u64 = 64 << 10;

/// The ways of one registry; `None` where they are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Habits {
    /// Whether it speaks https.
    pub(crate) https: Option<bool>,
    /// How it takes blobs, where the usual way was refused.
    pub(crate) method: Option<Method>,
    /// Whether it takes a blob with the POST that opens an upload.
    pub(crate) takes_post: Option<bool>,
    /// Whether mounting a blob from its own repository says if it is there.
    pub(crate) mounts_own: Option<bool>,
    /// Whether one PUT of a manifest sets many tags.
    pub(crate) many_tags: Option<bool>,
}

impl Cache {
    pub(crate) fn habits(&self, host: &str) -> Habits {
        let bytes = self.read(KIND, host, LIMIT).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub(crate) fn keep_habits(&self, host: &str, habits: &Habits) {
        if let Ok(bytes) = serde_json::to_vec(habits) {
            self.write(KIND, host, &bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_outlive_the_run_and_never_the_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().into()));
        assert_eq!(cache.habits("h"), Habits::default());
        let habits = Habits {
            https: Some(true),
            method: Some(Method::Chunks { size: 4 << 20 }),
            ..Habits::default()
        };
        cache.keep_habits("h", &habits);
        assert_eq!(cache.habits("h"), habits);
        cache.write(KIND, "h", b"{\"method\": 7}");
        assert_eq!(cache.habits("h"), Habits::default());
    }
}
