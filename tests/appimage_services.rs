//! `examples/appimage-services`: nebula, dnsmasq and a supervisor in one file, with privileges and without.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::lock::kept;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::tool;

/// The AppImage, as the example's README has it made, in a folder that goes away with the next one.
fn network() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let dir = kept("appimage-services");
        let _ = fs::remove_dir_all(&dir);
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/appimage-services");
        let (store, file) = (dir.join("store"), dir.join("Network-x86_64.AppImage"));
        let made = Outcome::of(Command::new(example.join("debian-store")).arg(&store)).success();
        let [store, graph, output] = [&store, &store.join("graph"), &file]
            .map(|path| path.to_str().expect("an ASCII path").to_owned());
        let root = ["appimage", made.text(), "--store", &store, "--graph", &graph];
        let rest = ["--exec", "bin/network", "--name", "Network", "-o", &output];
        tool([root.as_slice(), &rest].concat()).success();
        file
    })
}

/// Runs a shell script in a network of its own, with the AppImage as `$1` and a folder for state in `NETWORK_STATE`.
/// Processes that it leaves behind are its own affair, but it ends them with itself.
fn in_network(script: &str) -> (Outcome, Vec<String>) {
    let state = temp_dir();
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(state.path(), anybody).expect("letting others in");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    // Devices that anybody may open, as on machines of users; only here.
    let prelude = "set -eu
mknod -m 666 \"$NETWORK_STATE/fuse\" c 10 229 && mount --bind \"$NETWORK_STATE/fuse\" /dev/fuse
mknod -m 666 \"$NETWORK_STATE/tun\" c 10 200 && mount --bind \"$NETWORK_STATE/tun\" /dev/net/tun
ip link set lo up
wait_for() { for _ in $(seq 200); do if eval \"$1\"; then return; fi; sleep 0.05; done; echo \"never: $1\"; exit 9; }
";
    let script = format!("{prelude}{script}");
    command.args(["/bin/bash", "-c", &script, "bash"]).arg(network());
    let outcome = Outcome::of(command.env("NETWORK_STATE", state.path()));
    let left = fs::read_dir(state.path()).expect("listing");
    let left = left.map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII"));
    (outcome, left.filter(|name| !["fuse", "tun", "log"].contains(&name.as_str())).collect())
}

macro_rules! services {
    () => {
        peer!(
            "nebula",
            "nebula-cert",
            "dnsmasq",
            "s6-svscan",
            "patchelf",
            "busybox",
            "unshare",
            "ip"
        );
        if !support::peer::root() {
            return;
        }
    };
}

#[test]
fn the_interface_comes_up_and_all_ends_in_good_order() {
    services!();
    let script = r#"
"$1" >"$NETWORK_STATE/log" 2>&1 & pid=$!
wait_for 'ip -br addr show neb1 2>/dev/null | grep -q 192.168.100.1/24'
wait_for 'busybox nslookup -type=a host.mesh 192.168.100.1 >/dev/null 2>&1'
# The service that has dropped its privileges.
pgrep -u nobody dnsmasq >/dev/null
KILL
code=0; wait $pid || code=$?
cat "$NETWORK_STATE/log"
echo "exit code $code"
wait_for '[ $(ps ax --no-headers | wc -l) -le 4 ]'
if ip link show neb1 2>/dev/null; then exit 8; fi
"#;
    // To the one process, as a shell does it; and to all at once, as systemd does.
    for kill in ["kill -TERM $pid", "kill -TERM -1 || true"] {
        let script = script.replace("KILL", &format!("trap '' TERM; {kill}"));
        let (outcome, left) = in_network(&script);
        let said = outcome.clone().success().text().to_owned();
        for line in [
            "Nebula interface is active",
            "Caught signal, shutting down",
            "network: nebula has ended",
            "network: dnsmasq has ended",
            "network: all services have ended",
            "exit code 0",
        ] {
            assert!(said.contains(line), "{kill}: no `{line}` in\n{said}");
        }
        let ended = |what: &str| said.find(&format!("network: {what} ended"));
        assert!(
            ended("all services have") > ended("nebula has").max(ended("dnsmasq has")),
            "{said}"
        );
        assert_eq!(left, Vec::<String>::new(), "{kill} left something behind");
    }
}

#[test]
fn without_privileges_the_error_is_nebulas_own() {
    services!();
    let script = r#"
setpriv --reuid 65534 --regid 65534 --clear-groups -- "$1" >"$NETWORK_STATE/log" 2>&1 & pid=$!
wait_for 'grep -q "Failed to get a tun/tap device" "$NETWORK_STATE/log"'
kill -TERM $pid
code=0; wait $pid || code=$?
cat "$NETWORK_STATE/log"
echo "exit code $code"
"#;
    let (outcome, left) = in_network(script);
    let said = outcome.success().text().to_owned();
    for line in ["Failed to get a tun/tap device", "operation not permitted", "exit code 0"] {
        assert!(said.contains(line), "no `{line}` in\n{said}");
    }
    assert_eq!(left, Vec::<String>::new());
}
