//! Pulls go to mirrors first, by the names that these have for images, and with their own credentials.

use std::fs;

use registry::{Blob, MirrorPlaces, Registries, Silent};

use crate::server::{Guard, Server};
use crate::{blob, client, options};

#[test]
fn a_mirror_is_asked_by_its_own_name_and_with_its_own_credentials() {
    let mirror = Server::start(Guard::Basic("user:pass"));
    let origin = Server::start(Guard::Open);
    let layer = blob("layer");
    client(&origin).ensure_blob(&layer, &Silent).unwrap();
    let seen = origin.state().requests.len();

    let folder = tempfile::tempdir().unwrap();
    let (conf, auth) = (folder.path().join("registries.conf"), folder.path().join("auth.json"));
    let text = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}/proxy\"\n",
        origin.address(),
        mirror.address()
    );
    fs::write(&conf, text).unwrap();
    // `user:pass`, for the mirror's name of the repository.
    let entry = format!("{}/proxy", mirror.address());
    fs::write(&auth, format!(r#"{{"auths": {{"{entry}": {{"auth": "dXNlcjpwYXNz"}}}}}}"#)).unwrap();
    let mut options = options();
    options.mirrors = MirrorPlaces { files: vec![conf.clone()], folders: Vec::new() };
    options.environment.auth_file = Some(auth);
    let registries = Registries::new(options.clone());
    let reference: registry::Reference =
        format!("{}/team/app:v1", origin.address()).parse().unwrap();

    let clients = registries.pull_clients(&reference).unwrap();
    assert_eq!(clients.len(), 2);
    assert!(clients.iter().all(|client| *client.reference() == reference));
    assert!(!clients[0].exists(&layer.digest(), layer.size()).unwrap());
    assert!(clients[1].exists(&layer.digest(), layer.size()).unwrap());
    assert!(mirror.count("HEAD /v2/proxy/team/app/blobs/") > 0);
    let state = origin.state();
    assert!(state.requests[seen..].iter().all(|it| it.header("authorization").is_none()));
    drop(state);

    // What is pushed goes where its name says.
    registries.client(reference.clone()).unwrap().ensure_blob(&blob("new"), &Silent).unwrap();
    assert_eq!(mirror.count("POST"), 0);

    fs::write(&conf, "[[registry]]\nlocation = 3").unwrap();
    let error = Registries::new(options).pull_clients(&reference).err().unwrap();
    assert!(error.to_string().contains("registries.conf"), "{error}");
}
