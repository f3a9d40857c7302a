//! Which machines and systems ACIs know, and what they call them (appc `schema/types/labels.go`, `ValidOSArch`).

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
