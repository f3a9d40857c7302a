//! Links: each must lead to something that will be in the image.

use super::{Contents, Findings, Severity, shown};
use crate::appimage::contents::Place;
use crate::appimage::tree::Item;

/// What the kernel makes on every machine.
const KERNELS: [&[u8]; 3] = [b"/dev/", b"/proc/", b"/sys/"];

pub(super) fn check(contents: &Contents, findings: &mut Findings) {
    let error = (Severity::Error, "link");
    for (path, item) in contents.tree.iter() {
        // Store paths that are among the files are as their builds left them.
        let Item::Link(target) = item else { continue };
        if contents.is_in_store(&[b"/", path].concat()) {
            continue;
        }
        let target = shown(target);
        match contents.follow(path) {
            Place::Own(_) | Place::Store(_) => {}
            Place::Host(host) if KERNELS.iter().any(|dir| host.starts_with(dir)) => {}
            Place::Host(host) => {
                let got = format!("a link out of the AppDir to `{}`", shown(&host));
                let expected =
                    "one within the AppDir or into the store: other machines may not have that";
                findings.add(error, path, got, expected);
            }
            Place::Missing(missing) if missing == path => {}
            Place::Missing(missing) => {
                let got = match shown(&missing) {
                    missing if missing == target => {
                        format!("a link to `{target}`, which is not there")
                    }
                    missing => format!("a link to `{target}`, where `{missing}` is not there"),
                };
                findings.add(error, path, got, "a link to something that is there");
            }
            Place::Loop => {
                let got = format!("a link to `{target}` that leads round in circles");
                findings.add(error, path, got, "a link to something that is there");
            }
        }
    }
}
