//! Lists that come in pages, each of which says where the next one is.
//!
//! The next page's address is the registry's to choose, and credentials go with it: so it must be at the registry
//! itself. A list that leads back to where it was, or that is longer than any, is an error and not a loop.

use std::collections::BTreeSet;

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};

use crate::auth::Right;
use crate::error::redacted;
use crate::wire::answer;
use crate::wire::message::Request;
use crate::wire::origin::{Origin, follow};
use crate::{Client, Error, link};

/// A page of a thousand tags of 128 bytes has 131 kB.
const MAX_PAGE: u64 = 16 << 20;
/// At a thousand entries on each, more than any registry takes.
const MAX_PAGES: usize = 10_000;

/// A list to be read.
pub(crate) struct List<'a> {
    /// What it is, as in `the list of tags`.
    pub(crate) what: &'a str,
    /// What it is wanted for, after "cannot" in a message.
    pub(crate) action: &'a str,
    /// The first page.
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a str>,
    /// Statuses by which the registry says that it has no such list.
    pub(crate) absent: &'a [u16],
}

impl Client {
    /// Hands each page to `take`, until there are no more or it wants none. `false` if there is no such list.
    pub(crate) fn pages(
        &self,
        list: &List<'_>,
        mut take: impl FnMut(&HeaderMap, &[u8]) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let expected = [&[200], list.absent].concat();
        let mut url = list.url.clone();
        let mut seen = BTreeSet::new();
        while seen.insert(url.to_string()) {
            let request = Request {
                accept: list.accept,
                ..Request::bare(list.action, Method::GET, url.clone())
            };
            let page = self.host.retry.run(|| {
                let response = self.host.call(&request, &self.access(Right::Pull), &expected)?;
                if response.status() != 200 {
                    answer::discard(response);
                    return Ok(None);
                }
                let headers = response.headers().clone();
                let host = self.host_name();
                let bytes = answer::bytes(response, MAX_PAGE, list.what, list.action, host)?;
                Ok(Some((headers, bytes)))
            })?;
            let Some((headers, bytes)) = page else { return Ok(false) };
            if !take(&headers, &bytes)? {
                return Ok(true);
            }
            match self.next_page(&url, &headers)? {
                None => return Ok(true),
                Some(_) if seen.len() == MAX_PAGES => {
                    return Err(self.endless(list, format!("it has more than {MAX_PAGES} pages")));
                }
                Some(next) => url = next,
            }
        }
        Err(self.endless(list, format!("`{}` comes again", redacted(&url))))
    }

    fn next_page(&self, url: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
        let mut links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let Some(target) = links.find_map(link::next) else { return Ok(None) };
        let base = self.host.url("/")?;
        let next = follow(url, target, &base, "the next page")?;
        if Origin::of(&next) == Origin::of(&base) {
            return Ok(Some(next));
        }
        Err(Error::UnsafeUrl {
            host: self.host_name().to_owned(),
            url: redacted(&next),
            what: "the next page",
            reason: "it is elsewhere",
        })
    }

    fn endless(&self, list: &List<'_>, reason: String) -> Error {
        Error::Endless { what: list.what.to_owned(), host: self.host_name().to_owned(), reason }
    }
}
