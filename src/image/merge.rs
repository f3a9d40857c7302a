//! Which of two configurations holds: the flags' over a file's, the image's over that of the image
//! underneath.

use super::config::RunConfig;

/// The `PATH` that docker and podman give to containers of images without one.
const RUNTIMES_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl RunConfig {
    /// This over `base`: what is said here wins, variables and labels one by one.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        let list = |own: Vec<String>, base| if own.is_empty() { base } else { own };
        let joined = |own: Vec<String>, base: Vec<String>| {
            let mut all = [base, own].concat();
            all.sort();
            all.dedup();
            all
        };
        Self {
            // A Cmd is an entrypoint's arguments: one meant for another program would be wrong.
            cmd: if self.entrypoint.is_empty() { list(self.cmd, base.cmd) } else { self.cmd },
            entrypoint: list(self.entrypoint, base.entrypoint),
            env: base.env.into_iter().chain(self.env).collect(),
            working_dir: self.working_dir.or(base.working_dir),
            user: self.user.or(base.user),
            exposed_ports: joined(self.exposed_ports, base.exposed_ports),
            volumes: joined(self.volumes, base.volumes),
            labels: base.labels.into_iter().chain(self.labels).collect(),
            stop_signal: self.stop_signal.or(base.stop_signal),
            docker: base.docker.into_iter().chain(self.docker).collect(),
        }
    }

    /// `PATH` for directories of ours in front of those in which a container of this image looks.
    pub fn path_behind(&self, own: &str) -> String {
        let path = self.env.get("PATH").map_or(RUNTIMES_PATH, String::as_str);
        match path.is_empty() {
            // An empty name would stand for the directory in which a program starts.
            true => own.to_owned(),
            false => format!("{own}:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flags_win() {
        let base =
            RunConfig::from_json(r#"{"Entrypoint": ["a"], "Cmd": ["b"], "Env": ["X=1", "Y=1"]}"#)
                .unwrap();
        let env = BTreeMap::from([("X".into(), "2".into())]);
        let flags = RunConfig { entrypoint: vec!["c".into()], env, ..RunConfig::default() };
        let both = flags.over(base);
        assert_eq!((both.entrypoint, both.cmd), (vec!["c".to_owned()], vec![]));
        assert_eq!(both.env, BTreeMap::from([("X".into(), "2".into()), ("Y".into(), "1".into())]));
    }

    #[test]
    fn programs_underneath_are_found_behind_ours() {
        let with = |env: &str| {
            RunConfig::from_json(&format!(r#"{{"Env": [{env}]}}"#)).unwrap().path_behind("/own")
        };
        assert_eq!(with(r#""PATH=/a:/b""#), "/own:/a:/b");
        assert_eq!(with(""), format!("/own:{RUNTIMES_PATH}"));
        assert_eq!(with(r#""PATH=""#), "/own");
    }

    prop_compose! {
        fn config()(
            lists in prop::array::uniform4(prop::collection::vec("[a-c]", 0..3)),
            env in prop::collection::btree_map("[A-C]", "[a-c]", 0..3),
            labels in prop::collection::btree_map("[A-C]", "[a-c]", 0..3),
            texts in prop::array::uniform3(prop::option::of("[a-c]")),
        ) -> RunConfig {
            let [entrypoint, cmd, mut exposed_ports, mut volumes] = lists;
            for set in [&mut exposed_ports, &mut volumes] {
                set.sort();
                set.dedup();
            }
            let [working_dir, user, stop_signal] = texts;
            let docker = serde_json::Map::new();
            RunConfig { entrypoint, cmd, env, working_dir, user, exposed_ports, volumes, labels, stop_signal, docker }
        }
    }

    proptest! {
        #[test]
        fn what_says_nothing_changes_nothing(config in config()) {
            prop_assert_eq!(RunConfig::default().over(config.clone()), config.clone());
            prop_assert_eq!(config.clone().over(RunConfig::default()), config);
        }

        #[test]
        fn what_is_said_on_top_holds(own in config(), base in config()) {
            let both = own.clone().over(base.clone());
            for (key, value) in &both.env {
                prop_assert_eq!(Some(value), own.env.get(key).or(base.env.get(key)));
            }
            prop_assert!(own.env.keys().chain(base.env.keys()).all(|key| both.env.contains_key(key)));
            prop_assert!(own.volumes.iter().chain(&base.volumes).all(|it| both.volumes.contains(it)));
            prop_assert_eq!(&both.user, &own.user.clone().or(base.user.clone()));
            if own.entrypoint.is_empty() {
                prop_assert_eq!(&both.entrypoint, &base.entrypoint);
            } else {
                prop_assert_eq!((&both.entrypoint, &both.cmd), (&own.entrypoint, &own.cmd));
            }
        }

        #[test]
        fn layers_of_configurations_can_be_put_together_in_any_order(one in config(), two in config(), three in config()) {
            // But for a Cmd, which an entrypoint above it takes away.
            let blank = |config: RunConfig| RunConfig { cmd: Vec::new(), ..config };
            let left = one.clone().over(two.clone()).over(three.clone());
            prop_assert_eq!(blank(left), blank(one.over(two.over(three))));
        }
    }
}
