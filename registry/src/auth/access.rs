//! What a request needs to be allowed to do, and the scopes that say so to a token server.
//!
//! <https://distribution.github.io/distribution/spec/auth/scope/>: `repository:NAME:ACTION,…`.

use std::sync::Arc;

/// Scopes that a registry can make us ask for beside our own.
const MAX_EXTRA: usize = 4;
/// The longest name of a repository with some actions.
const MAX_SCOPE: usize = 300;

/// What a request needs to be allowed to do, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) repository: Arc<str>,
    pub(crate) right: Right,
}

/// What a request needs to be allowed to do in its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    Pull,
    Push,
    /// Push, and pull from this other repository.
    Mount(String),
    /// Remove manifests, tags and blobs.
    Delete,
    /// Nothing: only to be told who one is.
    Login,
}

impl Access {
    /// The scopes to ask for. The target comes first, since some registries look no further.
    pub(super) fn scopes(&self) -> Vec<String> {
        let repository = &self.repository;
        let may = |actions| format!("repository:{repository}:{actions}");
        match &self.right {
            Right::Pull => vec![may("pull")],
            Right::Push => vec![may("pull,push")],
            Right::Mount(source) => vec![may("pull,push"), format!("repository:{source}:pull")],
            Right::Delete => vec![may("pull,delete")],
            Right::Login => Vec::new(),
        }
    }

    /// Whether a token for `self` will do for `other`.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.repository == other.repository
            && (self.right == other.right
                || (other.right == Right::Pull && self.right != Right::Login)
                || (other.right == Right::Push && matches!(self.right, Right::Mount(_))))
    }
}

/// Adds to `extra` what the `scope` of a challenge names and neither `own` nor `extra` has: some registries know a
/// repository by another name, or want more rights than we thought. True if anything was added.
pub(super) fn add_wanted(challenge: &str, own: &[String], extra: &mut Vec<String>) -> bool {
    let before = extra.len();
    for wanted in challenge.split_ascii_whitespace() {
        let Some((name, actions)) = parse(wanted) else { continue };
        let granted = |scope: &String| {
            parse(scope).is_some_and(|(other, granted)| {
                let mut wanted = actions.split(',');
                name == other && wanted.all(|action| granted.split(',').any(|it| it == action))
            })
        };
        if extra.len() < MAX_EXTRA && !own.iter().chain(&*extra).any(granted) {
            extra.push(wanted.to_owned());
        }
    }
    extra.len() > before
}

/// Name and actions, if it is a scope of a repository: a registry has no say in anything else.
fn parse(scope: &str) -> Option<(&str, &str)> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    let plain = |text: &str, others: &[u8]| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    (scope.len() <= MAX_SCOPE && plain(name, b"._-/:") && plain(actions, b",*"))
        .then_some((name, actions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(right: Right) -> Access {
        Access { repository: "a".into(), right }
    }

    #[test]
    fn wider_access_covers_narrower() {
        let pull = access(Right::Pull);
        let push = access(Right::Push);
        let mount = access(Right::Mount("b".to_owned()));
        assert!(push.covers(&pull) && mount.covers(&push) && mount.covers(&mount));
        assert!(access(Right::Delete).covers(&pull) && !access(Right::Delete).covers(&push));
        assert!(!pull.covers(&push) && !push.covers(&mount));
        assert!(!mount.covers(&access(Right::Mount("c".to_owned()))));
        let elsewhere = Access { repository: "b".into(), ..pull.clone() };
        assert!(!push.covers(&elsewhere));
    }

    #[test]
    fn the_target_is_the_first_scope() {
        assert_eq!(
            access(Right::Mount("b".to_owned())).scopes(),
            ["repository:a:pull,push", "repository:b:pull"]
        );
    }

    #[test]
    fn a_challenge_may_want_a_little_more() {
        let own = access(Right::Push).scopes();
        let added = |challenge: &str| {
            let mut extra = Vec::new();
            add_wanted(challenge, &own, &mut extra);
            extra
        };
        for nothing_new in [
            "",
            "repository:a:pull",
            "repository:a:push,pull",
            "registry:catalog:*",
            "repository:a",
            "repository::pull",
            "repository:b:pull&x=y",
        ] {
            assert!(added(nothing_new).is_empty(), "{nothing_new}");
        }
        assert_eq!(
            added("repository:p/a:pull repository:a:delete repository:p/a:pull"),
            ["repository:p/a:pull", "repository:a:delete"]
        );
        assert!(added(&format!("repository:{}:pull", "a".repeat(MAX_SCOPE))).is_empty());
        let many: Vec<String> = (0..99).map(|n| format!("repository:{n}:pull")).collect();
        assert_eq!(added(&many.join(" ")).len(), MAX_EXTRA);
    }
}
