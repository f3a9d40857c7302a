//! Which tags a repository has (distribution-spec, "Listing Tags").

use serde::Deserialize;

use crate::error::printable;
use crate::pages::List;
use crate::reference::check_tag;
use crate::{Client, Error};

/// Tags on a page. ECR takes no larger number, and older registries none at all and send everything.
const PAGE: &str = "n=1000";
/// A repository with more of them is broken, or wants to break us.
const MAX_TAGS: usize = 2_000_000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of the repository, sorted: not every registry keeps to the specification's order. [`Error::Missing`] if
    /// there is no such repository.
    pub fn tags(&self) -> Result<Vec<String>, Error> {
        let mut tags = self.read_tags(true)?.ok_or_else(|| Error::Missing {
            what: self.reference().name(),
            host: self.host_name().to_owned(),
        })?;
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// As many tags as one request gives; `None` if there is no such repository.
    pub(crate) fn some_tags(&self) -> Result<Option<Vec<String>>, Error> {
        self.read_tags(false)
    }

    fn read_tags(&self, all: bool) -> Result<Option<Vec<String>>, Error> {
        let name = self.reference().name();
        let what = format!("the list of tags of `{name}`");
        let action = format!("list the tags of `{name}`");
        let mut url = self.url("tags/list")?;
        url.set_query(Some(PAGE));
        let list = List { what: &what, action: &action, url, accept: None, absent: &[404] };
        let mut tags = Vec::new();
        let there = self.pages(&list, |_, bytes| {
            let page: Page = serde_json::from_slice(bytes)
                .map_err(|_| self.no_tags(&action, "another document"))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                return Err(Error::Endless {
                    what: what.clone(),
                    host: self.host_name().to_owned(),
                    reason: format!("it has more than {MAX_TAGS} tags"),
                });
            }
            Ok(all)
        })?;
        // They end up on terminals and in scripts.
        match tags.iter().find(|tag| check_tag(tag).is_err()) {
            Some(tag) => Err(self.no_tags(&action, &format!("the tag `{}`", printable(tag, 100)))),
            None => Ok(there.then_some(tags)),
        }
    }

    fn no_tags(&self, action: &str, got: &str) -> Error {
        Error::NotARegistry {
            action: action.to_owned(),
            host: self.host_name().to_owned(),
            got: got.to_owned(),
            expected: "a list of tags",
        }
    }
}
