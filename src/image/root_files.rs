//! Files outside the store: users, `/tmp`, and links from `/bin` and its like into the roots.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use super::source::{RootEntry, RootNode};
use super::view::View;

/// Directories of a root that `--link-root` makes visible at `/`.
const LINKED: [&str; 4] = ["bin", "etc", "lib", "share"];

/// A user to run as: a number or name, with or without a group, or a new user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum User {
    /// Numbers mean something in any image.
    Numeric { uid: u32, gid: Option<u32> },
    /// A user of the image's `/etc/passwd`.
    Named { name: String, group: Option<String> },
    /// A user to put into `/etc/passwd`.
    New { name: String, uid: u32, gid: u32 },
}

/// A user that cannot be.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RootFilesError {
    #[error("`{0}` is none of `UID[:GID]`, `NAME[:GROUP]` and `NAME:UID:GID`")]
    User(String),
    #[error("no user is called `{0}` in the image's `/etc/passwd`")]
    NoSuchUser(String),
    #[error("no group is called `{0}` in the image's `/etc/group`")]
    NoSuchGroup(String),
}

impl RootFilesError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchUser(name) => {
                Some(format!("make the user: `--user {name}:1000:1000`, or use a number"))
            }
            Self::NoSuchGroup(_) => Some("use a number, or leave the group out".into()),
            Self::User(_) => Some("write it as one of these, such as `1000:1000`".into()),
        }
    }
}

impl FromStr for User {
    type Err = RootFilesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |part: &str| {
            let mut bytes = part.bytes();
            part.len() <= 32
                && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
                && bytes.all(|b| b.is_ascii_alphanumeric() || b"_-.$".contains(&b))
        };
        let parts: Vec<&str> = text.split(':').collect();
        let numbers: Vec<Option<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
        match (&parts[..], &numbers[..]) {
            (_, &[Some(uid)]) => Ok(Self::Numeric { uid, gid: None }),
            (_, &[Some(uid), Some(gid)]) => Ok(Self::Numeric { uid, gid: Some(gid) }),
            ([name], _) if is_name(name) => Ok(Self::Named { name: (*name).into(), group: None }),
            ([name, group], [_, gid]) if is_name(name) && (is_name(group) || gid.is_some()) => {
                Ok(Self::Named { name: (*name).into(), group: Some((*group).into()) })
            }
            ([name, _, _], &[_, Some(uid), Some(gid)]) if is_name(name) => {
                Ok(Self::New { name: (*name).into(), uid, gid })
            }
            _ => Err(RootFilesError::User(text.into())),
        }
    }
}

impl User {
    /// `User` of the image config: numbers where they are known, since Kubernetes' `runAsNonRoot`
    /// can tell only from a number that it is not root.
    pub fn config(&self) -> String {
        match self {
            Self::Numeric { uid, gid: None } => uid.to_string(),
            Self::Numeric { uid, gid: Some(gid) } | Self::New { uid, gid, .. } => {
                format!("{uid}:{gid}")
            }
            Self::Named { name, group: None } => name.clone(),
            Self::Named { name, group: Some(group) } => format!("{name}:{group}"),
        }
    }
}

/// What to put outside the store.
#[derive(Clone, Debug, Default)]
pub struct RootFiles {
    /// The user to run as.
    pub user: Option<User>,
    /// Make `/tmp`, mode 1777.
    pub tmp: bool,
    /// Link `bin`, `etc`, `lib` and `share` of these store paths, named in full, at `/`; of two
    /// with the same file the first wins.
    pub link: Vec<String>,
    /// Whether there is an image underneath, which may have users that are not known here.
    pub over_base: bool,
}

impl RootFiles {
    /// Whether anything is asked for that needs a layer.
    pub fn is_empty(&self) -> bool {
        !self.tmp && self.link.is_empty() && !matches!(self.user, Some(User::New { .. }))
    }

    /// The entries, parents before children, in the order of their names.
    pub fn entries(&self, view: &View) -> Result<Vec<RootEntry>, RootFilesError> {
        let mut tree = BTreeMap::new();
        if let Some(User::New { name, uid, gid }) = &self.user {
            let (passwd, group) = accounts(name, *uid, *gid);
            tree.insert("etc".into(), RootNode::Directory { mode: 0o755 });
            tree.insert("etc/passwd".into(), RootNode::File { mode: 0o644, content: passwd });
            tree.insert("etc/group".into(), RootNode::File { mode: 0o644, content: group });
        }
        if self.tmp {
            tree.insert("tmp".into(), RootNode::Directory { mode: 0o1777 });
        }
        for name in LINKED {
            let sources: Vec<String> =
                self.link.iter().map(|root| format!("{root}/{name}")).collect();
            link(&mut tree, view, name, &sources);
        }
        self.check_user(&tree, view)?;
        Ok(tree.into_iter().map(|(name, node)| RootEntry { name, node }).collect())
    }

    /// A name must be in the image's own files: a container with a user nobody knows does not start.
    fn check_user(
        &self,
        tree: &BTreeMap<String, RootNode>,
        view: &View,
    ) -> Result<(), RootFilesError> {
        let Some(User::Named { name, group }) = &self.user else { return Ok(()) };
        // Runtimes take `root` as 0 when there is no passwd.
        let is_below = |file| self.over_base && !hides(tree, file);
        let known =
            |file, name: &str| name == "root" || is_below(file) || lists(tree, view, file, name);
        if !known("etc/passwd", name) {
            return Err(RootFilesError::NoSuchUser(name.clone()));
        }
        match group {
            Some(group) if group.parse::<u32>().is_err() && !known("etc/group", group) => {
                Err(RootFilesError::NoSuchGroup(group.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the image underneath can have no say in what `file` in `etc` is.
fn hides(tree: &BTreeMap<String, RootNode>, file: &str) -> bool {
    tree.contains_key(file) || matches!(tree.get("etc"), Some(RootNode::Symlink { .. }))
}

/// Whether a colon-separated file, linked into the image, has an entry for `name`.
fn lists(tree: &BTreeMap<String, RootNode>, view: &View, file: &str, name: &str) -> bool {
    let target = match (tree.get(file), tree.get("etc")) {
        (Some(RootNode::Symlink { target }), _) => target.clone(),
        (None, Some(RootNode::Symlink { target })) => {
            format!("{target}/{}", file.trim_start_matches("etc/"))
        }
        _ => return false,
    };
    let text = view.text(&target).unwrap_or_default();
    text.lines().any(|line| line.split(':').next() == Some(name))
}

/// `/etc/passwd` and `/etc/group` with root, nobody and the new user.
fn accounts(name: &str, uid: u32, gid: u32) -> (String, String) {
    let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
    let mut group = String::from("root:x:0:\n");
    if name != "root" {
        let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{name}:/:/bin/sh");
        if gid != 0 {
            let _ = writeln!(group, "{name}:x:{gid}:");
        }
    }
    if name != "nobody" {
        passwd.push_str("nobody:x:65534:65534:nobody:/:/bin/false\n");
    }
    if gid != 65534 {
        group.push_str("nobody:x:65534:\n");
    }
    (passwd, group)
}

/// Puts `name` at the root: one link where one source has it, a merged directory where several do.
fn link(tree: &mut BTreeMap<String, RootNode>, view: &View, name: &str, sources: &[String]) {
    let there: Vec<&String> = sources.iter().filter(|source| view.real(source).is_some()).collect();
    let dirs: Vec<&&String> = there.iter().filter(|source| view.is_dir(source)).collect();
    let (first_is_dir, taken) = match (there.first(), tree.get(name)) {
        (None, _) | (_, Some(RootNode::File { .. } | RootNode::Symlink { .. })) => return,
        (Some(first), taken) => (view.is_dir(first), taken.is_some()),
    };
    if !taken && (dirs.len() < 2 || !first_is_dir) {
        tree.insert(name.into(), RootNode::Symlink { target: there[0].clone() });
        return;
    }
    tree.insert(name.into(), RootNode::Directory { mode: 0o755 });
    let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for dir in dirs {
        for child in view.names(dir) {
            let source = format!("{dir}/{child}");
            children.entry(child).or_default().push(source);
        }
    }
    for (child, sources) in children {
        link(tree, view, &format!("{name}/{child}"), &sources);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn users_parse() {
        let config = |text: &str| text.parse::<User>().unwrap().config();
        assert_eq!(config("1000"), "1000");
        assert_eq!(config("1000:100"), "1000:100");
        assert_eq!(config("app:1000:100"), "1000:100");
        assert_eq!(config("app:staff"), "app:staff");
        for text in [
            "",
            ":",
            "app:",
            ":1",
            "a:b:c",
            "app:1:x",
            "1:2:3",
            "a/b",
            "-x",
            "99999999999",
            "root:0:0:0",
        ] {
            assert!(text.parse::<User>().is_err(), "{text}");
        }
    }

    #[test]
    fn roots_are_linked_and_merged() {
        let dir = tempfile::tempdir().unwrap();
        let root = |name: &str, files: &[&str]| {
            for file in files {
                let file = dir.path().join(name).join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "app:x:1:1::/:\n").unwrap();
            }
            format!("/nix/store/{name}")
        };
        let a = root("a", &["bin/x", "bin/y", "lib/a", "etc/passwd", "share/man/a"]);
        let b = root("b", &["bin/x", "bin/z", "share/man/b", "share/b"]);
        let files =
            RootFiles { tmp: true, link: vec![a, b], user: "app".parse().ok(), over_base: false };
        let view = View::new(layering::StoreDir::default(), dir.path().into());
        let seen: Vec<String> = files
            .entries(&view)
            .unwrap()
            .into_iter()
            .map(|RootEntry { name, node }| match node {
                RootNode::Symlink { target } => format!("{name} -> {target}"),
                RootNode::Directory { mode } => format!("{name} {mode:o}"),
                RootNode::File { .. } => name,
            })
            .collect();
        assert_eq!(
            seen,
            [
                "bin 755",
                "bin/x -> /nix/store/a/bin/x",
                "bin/y -> /nix/store/a/bin/y",
                "bin/z -> /nix/store/b/bin/z",
                "etc -> /nix/store/a/etc",
                "lib -> /nix/store/a/lib",
                "share 755",
                "share/b -> /nix/store/b/share/b",
                "share/man 755",
                "share/man/a -> /nix/store/a/share/man/a",
                "share/man/b -> /nix/store/b/share/man/b",
                "tmp 1777",
            ]
        );
        let stranger = RootFiles { user: "stranger".parse().ok(), ..files };
        assert!(matches!(stranger.entries(&view), Err(RootFilesError::NoSuchUser(_))));
        // An image underneath may have one, unless its list of users is not to be seen.
        let hidden = RootFiles { over_base: true, ..stranger };
        assert!(matches!(hidden.entries(&view), Err(RootFilesError::NoSuchUser(_))));
        let seen = RootFiles { link: Vec::new(), ..hidden };
        assert!(seen.entries(&view).is_ok());
    }
}
