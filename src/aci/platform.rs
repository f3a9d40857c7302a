//! Which machines and systems ACIs know, and what they call them (appc `schema/types/labels.go`, `ValidOSArch`).

use crate::image::Machine;

/// What the label `arch` may be with each `os`.
pub(crate) const KNOWN: [(&str, &[&str]); 3] = [
    (
        "linux",
        &[
            "amd64",
            "i386",
            "aarch64",
            "aarch64_be",
            "armv6l",
            "armv7l",
            "armv7b",
            "ppc64",
            "ppc64le",
            "s390x",
        ],
    ),
    ("freebsd", &["amd64", "i386", "arm"]),
    ("darwin", &["x86_64", "i386"]),
];

/// The label `arch` of Linux for a machine; `None` if appc has no name for it, such as for RISC-V, which came later.
pub(crate) fn arch_of(machine: &Machine) -> Option<&'static str> {
    match machine.as_str() {
        "amd64" => Some("amd64"),
        "386" => Some("i386"),
        "arm64" => Some("aarch64"),
        // ELF headers do not tell versions apart; this is the one that Nix builds for.
        "arm" => Some("armv7l"),
        "ppc64" => Some("ppc64"),
        "ppc64le" => Some("ppc64le"),
        "s390x" => Some("s390x"),
        _ => None,
    }
}
