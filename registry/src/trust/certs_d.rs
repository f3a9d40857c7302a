//! The `certs.d` folders of docker and podman.
//!
//! <https://docs.docker.com/engine/security/certificates/>: in a folder with the registry's name, `*.crt` are
//! authorities, `*.cert` is a client certificate and the `*.key` of the same name its key. containers-certs.d(5) says
//! the same. A half pair is an error, as with both: it is there to be used and would not be.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ClientCertificate;
use crate::Error;
use crate::credentials::names_of;

/// What the folders have for one registry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) authorities: Vec<PathBuf>,
    /// The first pair; TLS shows one.
    pub(super) client: Option<ClientCertificate>,
}

/// Looks through `folders`, the best first, for `registry`.
pub(super) fn find(folders: &[PathBuf], registry: &str) -> Result<Found, Error> {
    let mut found = Found::default();
    for folder in folders {
        for name in names_of(registry) {
            look(&folder.join(name), &mut found)?;
        }
    }
    Ok(found)
}

fn look(folder: &Path, found: &mut Found) -> Result<(), Error> {
    let failed = |source| Error::ReadCertificate { path: folder.to_owned(), source };
    let mut paths = match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?,
        // The system's folders may be root's alone, as podman knows.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    paths.sort();
    for path in &paths {
        let half = |reason| Err(Error::ClientCertificate { path: path.clone(), reason });
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.push(path.clone()),
            Some("cert") => {
                let key = path.with_extension("key");
                if !paths.contains(&key) {
                    return half("its `.key` is not beside it; authorities end in `.crt`");
                }
                let certificate = path.clone();
                found.client.get_or_insert(ClientCertificate { certificate, key });
            }
            Some("key") if !paths.contains(&path.with_extension("cert")) => {
                return half("its `.cert` is not beside it");
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, registry: &str) -> Found {
        find(&[folder.path().to_owned(), "/nowhere".into()], registry).unwrap()
    }

    #[test]
    fn files_are_told_apart_by_their_ends() {
        let folder = folder(&[
            "host:5000/b.crt",
            "host:5000/a.crt",
            "host:5000/me.cert",
            "host:5000/me.key",
            "host:5000/you.cert",
            "host:5000/you.key",
            "host:5000/README",
            "docker.io/hub.crt",
        ]);
        let here = folder.path().join("host:5000");
        let one = found(&folder, "host:5000");
        assert_eq!(one.authorities, [here.join("a.crt"), here.join("b.crt")]);
        let me = ClientCertificate { certificate: here.join("me.cert"), key: here.join("me.key") };
        assert_eq!(one.client, Some(me));
        assert_eq!(found(&folder, "host"), Found::default());
        assert_eq!(found(&folder, "registry-1.docker.io").authorities.len(), 1);
    }

    #[test]
    fn half_a_pair_is_an_error() {
        for file in ["host/me.cert", "host/me.key"] {
            let folder = folder(&[file]);
            let error = find(&[folder.path().to_owned()], "host").unwrap_err().to_string();
            assert!(error.contains(file), "{error}");
        }
    }
}
