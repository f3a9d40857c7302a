//! Putting an image manifest together: what a file has, and over it what the command line says.
//!
//! Whatever has a name replaces what has it already, as acbuild's `add` does.

use serde_json::{Map, Value, json};

use super::check::{Finding, Severity, check_manifest};
use super::error::Error;
use super::values::{Dependency, Isolator, MountPoint, Port};

/// The last version of the specification.
const AC_VERSION: &str = "0.8.11";
/// As many bytes as registries let a whole manifest have.
const MAX_LEN: usize = 4 << 20;

/// An image manifest on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest(Map<String, Value>);

impl Manifest {
    /// As long as a file with one may be, in bytes.
    pub const MAX_LEN: usize = MAX_LEN;

    /// A manifest that says nothing but what it is and whose.
    pub fn new(name: &str) -> Self {
        let mut map = Map::new();
        map.insert("acKind".into(), json!("ImageManifest"));
        map.insert("acVersion".into(), json!(AC_VERSION));
        map.insert("name".into(), json!(name));
        Self(map)
    }

    /// What a file has; what it is, its version and its name may be left out.
    pub fn from_json(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let value = serde_json::from_slice(bytes).map_err(Error::Json)?;
        let Value::Object(given) = value else {
            return Err(Error::Invalid { findings: check_manifest(&value) });
        };
        let mut manifest = Self::new(name);
        manifest.0.extend(given);
        manifest.check()?;
        Ok(manifest)
    }

    /// What is said in it is fit for an image; odd things are given back.
    pub fn check(&self) -> Result<Vec<Finding>, Error> {
        let findings = check_manifest(&Value::Object(self.0.clone()));
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(Error::Invalid { findings });
        }
        Ok(findings)
    }

    /// Its bytes: keys sorted, so that the same manifest has the same.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(&Value::Object(self.0.clone()));
        text.unwrap_or_default() + "\n"
    }

    /// The image's name.
    pub fn name(&self) -> &str {
        self.0.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Gives the image another name.
    pub fn set_name(&mut self, name: &str) {
        self.0.insert("name".into(), json!(name));
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        let labels = self.0.get("labels")?.as_array()?;
        labels.iter().find(|label| label["name"] == name)?["value"].as_str()
    }

    /// Sets a label.
    pub fn set_label(&mut self, name: &str, value: &str) {
        put(self.list("labels"), "name", json!({"name": name, "value": value}));
    }

    /// Whether there is such an annotation.
    pub fn has_annotation(&self, name: &str) -> bool {
        let all = self.0.get("annotations").and_then(Value::as_array);
        all.is_some_and(|all| all.iter().any(|annotation| annotation["name"] == name))
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, name: &str, value: &str) {
        put(self.list("annotations"), "name", json!({"name": name, "value": value}));
    }

    /// Adds an image underneath, above those that are there.
    pub fn add_dependency(&mut self, dependency: &Dependency) {
        self.list("dependencies").push(dependency.to_value());
    }

    /// Whether it says how the image is run.
    pub fn runs(&self) -> bool {
        self.0.contains_key("app")
    }

    /// What is run.
    pub fn exec(&self) -> Vec<String> {
        let exec = self.0.get("app").and_then(|app| app["exec"].as_array());
        let words = exec.into_iter().flatten().filter_map(|word| word.as_str().map(Into::into));
        words.collect()
    }

    /// Sets what is run.
    pub fn set_exec(&mut self, exec: &[String]) {
        self.app().insert("exec".into(), json!(exec));
    }

    /// Sets as whom it is run.
    pub fn set_user(&mut self, user: &str, group: &str) {
        self.app().insert("user".into(), json!(user));
        self.app().insert("group".into(), json!(group));
    }

    /// Sets further groups.
    pub fn set_groups(&mut self, groups: &[u32]) {
        // However it was spelt before.
        self.app().remove("supplementaryGids");
        self.app().insert("supplementaryGIDs".into(), json!(groups));
    }

    /// Sets where it is run.
    pub fn set_working_directory(&mut self, dir: &str) {
        self.app().insert("workingDirectory".into(), json!(dir));
    }

    /// Whether an environment variable is set.
    pub fn has_variable(&self, name: &str) -> bool {
        let all = self.0.get("app").and_then(|app| app["environment"].as_array());
        all.is_some_and(|all| all.iter().any(|variable| variable["name"] == name))
    }

    /// Sets an environment variable.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        put(self.app_list("environment"), "name", json!({"name": name, "value": value}));
    }

    /// Sets a mount point.
    pub fn set_mount(&mut self, mount: &MountPoint) {
        put(self.app_list("mountPoints"), "name", mount.to_value());
    }

    /// All mount points, as far as they are such.
    pub fn mounts(&self) -> Vec<MountPoint> {
        let all = self.0.get("app").and_then(|app| app["mountPoints"].as_array());
        let mount = |value: &Value| {
            Some(MountPoint {
                name: value["name"].as_str()?.into(),
                path: value["path"].as_str()?.into(),
                read_only: value["readOnly"].as_bool().unwrap_or(false),
            })
        };
        all.into_iter().flatten().filter_map(mount).collect()
    }

    /// Sets a port.
    pub fn set_port(&mut self, port: &Port) {
        put(self.app_list("ports"), "name", port.to_value());
    }

    /// Sets a limit or right.
    pub fn set_isolator(&mut self, isolator: &Isolator) {
        put(self.app_list("isolators"), "name", isolator.to_value());
    }

    /// Sets what is run before (`pre-start`) or after (`post-stop`).
    pub fn set_handler(&mut self, event: &str, exec: &[String]) {
        put(self.app_list("eventHandlers"), "name", json!({"name": event, "exec": exec}));
    }

    /// How it is run; as root unless something else is said.
    fn app(&mut self) -> &mut Map<String, Value> {
        let app = self.0.entry("app").or_insert_with(|| json!({"user": "0", "group": "0"}));
        object(app)
    }

    fn app_list(&mut self, key: &str) -> &mut Vec<Value> {
        list(self.app().entry(key).or_insert_with(|| json!([])))
    }

    fn list(&mut self, key: &str) -> &mut Vec<Value> {
        list(self.0.entry(key).or_insert_with(|| json!([])))
    }
}

/// Replaces what has the same name, or adds to the end.
fn put(all: &mut Vec<Value>, key: &str, value: Value) {
    match all.iter_mut().find(|old| old[key] == value[key]) {
        Some(old) => *old = value,
        None => all.push(value),
    }
}

/// `null` is the same as nothing; anything else was refused by the check.
fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = json!([]);
    }
    value.as_array_mut().expect("just made a list")
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({"user": "0", "group": "0"});
    }
    value.as_object_mut().expect("just made an object")
}
