//! What an image does when nobody says: which program it runs, where it finds others, whom it
//! trusts.

use std::collections::BTreeMap;

use super::config::ConfigError;
use super::view::View;

/// Where CA bundles are within their store paths: nixpkgs' cacert, Debian's and Fedora's layout.
const CA_BUNDLES: [&str; 3] = [
    "etc/ssl/certs/ca-bundle.crt",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
];

/// A root as the image knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRoot {
    /// `/nix/store/…`
    pub name: String,
    /// What the user pointed at within it, such as `bin/hello`.
    pub inner: Option<String>,
}

impl ImageRoot {
    /// The programs that this root offers: what was pointed at, itself if it is a program, else
    /// what is in `bin`.
    fn programs(&self, view: &View) -> Vec<String> {
        let pointed = self.inner.iter().map(|inner| format!("{}/{inner}", self.name));
        if let Some(program) = pointed.chain([self.name.clone()]).find(|name| view.is_program(name))
        {
            return vec![program];
        }
        let bin = format!("{}/bin", self.name);
        let all = view.names(&bin).into_iter().map(|name| format!("{bin}/{name}"));
        all.filter(|name| view.is_program(name)).collect()
    }
}

/// The program to run when none was named: that of the only root with exactly one.
pub fn entrypoint(view: &View, roots: &[ImageRoot]) -> Option<String> {
    let mut single = roots.iter().filter_map(|root| match &root.programs(view)[..] {
        [only] => Some(only.clone()),
        _ => None,
    });
    match (single.next(), single.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The full name of the program `wanted`: `x` and `bin/x` are looked up in the roots.
pub fn program(view: &View, roots: &[ImageRoot], wanted: &str) -> Result<String, ConfigError> {
    if wanted.starts_with('/') {
        // Outside the store it can be made by `--link-root` or mounted; in it, it must be there.
        let fine = !view.is_inside(wanted) || view.is_program(wanted);
        return if fine { Ok(wanted.into()) } else { Err(missing(view, roots, wanted)) };
    }
    let relative = if wanted.contains('/') { wanted.to_owned() } else { format!("bin/{wanted}") };
    let mut found = roots.iter().map(|root| format!("{}/{relative}", root.name));
    found.find(|name| view.is_program(name)).ok_or_else(|| missing(view, roots, wanted))
}

fn missing(view: &View, roots: &[ImageRoot], wanted: &str) -> ConfigError {
    let there = roots.iter().flat_map(|root| root.programs(view)).collect();
    ConfigError::NoProgram { wanted: wanted.into(), there }
}

/// Environment variables that most programs need: `PATH` from the roots, and `SSL_CERT_FILE` when
/// one of `paths`, the closure's store paths by name, has a CA bundle.
pub fn environment<'a>(
    view: &View,
    roots: &[ImageRoot],
    paths: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    let bins = roots.iter().map(|root| format!("{}/bin", root.name));
    let bins: Vec<String> = bins.filter(|bin| view.is_dir(bin)).collect();
    if !bins.is_empty() {
        environment.insert("PATH".into(), bins.join(":"));
    }
    let mut bundles =
        paths.into_iter().flat_map(|path| CA_BUNDLES.map(|bundle| format!("{path}/{bundle}")));
    if let Some(bundle) =
        bundles.find(|bundle| view.real(bundle).is_some_and(|real| real.is_file()))
    {
        environment.insert("SSL_CERT_FILE".into(), bundle);
    }
    environment
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn program_at(dir: &Path, name: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }

    fn root(name: &str, inner: Option<&str>) -> ImageRoot {
        ImageRoot { name: format!("/nix/store/{name}"), inner: inner.map(Into::into) }
    }

    #[test]
    fn the_one_program_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one/bin/x", "two/bin/y", "two/bin/z", "script"] {
            program_at(dir.path(), name);
        }
        fs::create_dir_all(dir.path().join("two/etc/ssl/certs")).unwrap();
        fs::write(dir.path().join("two/etc/ssl/certs/ca-bundle.crt"), "").unwrap();
        let view = View::new(layering::StoreDir::default(), dir.path().into());
        let (one, two, script) = (root("one", None), root("two", None), root("script", None));
        assert_eq!(entrypoint(&view, &[one.clone(), two.clone()]).unwrap(), "/nix/store/one/bin/x");
        assert_eq!(entrypoint(&view, std::slice::from_ref(&script)).unwrap(), "/nix/store/script");
        assert_eq!(entrypoint(&view, &[one.clone(), script]), None);
        assert_eq!(entrypoint(&view, std::slice::from_ref(&two)), None);
        assert_eq!(
            entrypoint(&view, &[root("two", Some("bin/z"))]).unwrap(),
            "/nix/store/two/bin/z"
        );

        let roots = [one, two];
        for wanted in ["y", "bin/y", "/nix/store/two/bin/y"] {
            assert_eq!(program(&view, &roots, wanted).unwrap(), "/nix/store/two/bin/y");
        }
        assert_eq!(program(&view, &roots, "/bin/sh").unwrap(), "/bin/sh");
        for wanted in ["sh", "/nix/store/two/bin/sh"] {
            let error = program(&view, &roots, wanted).unwrap_err();
            assert!(error.hint().unwrap().contains("/nix/store/one/bin/x"), "{error:?}");
        }

        let environment = environment(&view, &roots, ["/nix/store/one", "/nix/store/two"]);
        assert_eq!(environment["PATH"], "/nix/store/one/bin:/nix/store/two/bin");
        assert_eq!(environment["SSL_CERT_FILE"], "/nix/store/two/etc/ssl/certs/ca-bundle.crt");
    }
}
