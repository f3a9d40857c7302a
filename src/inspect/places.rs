//! Which store path a file belongs to, by its name.

use layering::{StoreDir, StorePath};

/// A file's place in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InStore<'p> {
    /// The store directory, without a slash in front.
    pub(super) store: &'p [u8],
    /// `HASH-NAME`.
    pub(super) path: &'p [u8],
    /// The path within the store path; empty for itself.
    pub(super) inner: &'p [u8],
}

/// Splits the path of a file in a store; `None` if it is in none.
///
/// Which directory is a store the image may say; else it is one that is called `store` and has a
/// directory or file that is called as store paths are.
pub(super) fn in_store<'p>(path: &'p [u8], told: Option<&StoreDir>) -> Option<InStore<'p>> {
    if let Some(store) = told {
        let store = store.as_str().trim_start_matches('/').as_bytes();
        let rest = path.strip_prefix(store)?.strip_prefix(b"/")?;
        return split(path, store.len(), rest);
    }
    let mut from = 0;
    while let Some(at) = find(&path[from..], b"store/") {
        let start = from + at;
        let end = start + b"store".len();
        let is_whole_name = start == 0 || path[start - 1] == b'/';
        if is_whole_name && let Some(found) = split(path, end, &path[end + 1..]) {
            return Some(found);
        }
        from = end;
    }
    None
}

fn split<'p>(path: &'p [u8], store: usize, rest: &'p [u8]) -> Option<InStore<'p>> {
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    let base = &rest[..end];
    let is_path = base.len() > StorePath::HASH_LEN && base[StorePath::HASH_LEN] == b'-';
    let text = std::str::from_utf8(base).ok().filter(|_| is_path)?;
    text.parse::<StorePath>().ok()?;
    let inner = rest.get(end + 1..).unwrap_or_default();
    Some(InStore { store: &path[..store], path: base, inner })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "2g13canlyc7b44mbr5fh62pdyvv6xrjl";

    #[test]
    fn places_in_stores_are_found() {
        let name = format!("{HASH}-hello");
        for (path, store, inner) in [
            (format!("nix/store/{name}"), "nix/store", ""),
            (format!("gnu/store/{name}/bin/hello"), "gnu/store", "bin/hello"),
            (format!("a/store/x/store/{name}/b"), "a/store/x/store", "b"),
        ] {
            let found = in_store(path.as_bytes(), None).unwrap();
            assert_eq!(found.store, store.as_bytes());
            assert_eq!((found.path, found.inner), (name.as_bytes(), inner.as_bytes()));
        }
        let elsewhere = [
            format!("nix/xstore/{name}"),
            format!("nix/store/{HASH}"),
            "nix/store/x-y".into(),
            format!("nix/{name}"),
        ];
        for path in elsewhere {
            assert_eq!(in_store(path.as_bytes(), None), None, "{path}");
        }
        let told = "/my/st".parse().unwrap();
        let path = format!("my/st/{name}/f");
        assert_eq!(in_store(path.as_bytes(), Some(&told)).unwrap().inner, b"f");
    }
}
