//! Libraries that belong to the machine: whoever brings an own one gets the wrong pair, such as a driver for OpenGL with
//! another libdrm, or a libc with another loader.
//!
//! An AppDir without a store runs on the machine's own libraries, so its files are compared with pkg2appimage's
//! `excludelist`, which says for each library what went wrong with it. A closure brings loader, libc and all else.

use super::{Contents, Findings, Severity};

const CHECK: &str = "library";

/// Parts of the C library: they fit the loader of the same release, which is the machine's.
const LIBC: [&str; 20] = [
    "ld-linux.so.2",
    "ld-linux-x86-64.so.2",
    "libBrokenLocale.so.1",
    "libanl.so.1",
    "libc.so.6",
    "libcidn.so.1",
    "libdl.so.2",
    "libm.so.6",
    "libmvec.so.1",
    "libnss_compat.so.2",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libnss_hesiod.so.2",
    "libnss_nis.so.2",
    "libnss_nisplus.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libthread_db.so.1",
    "libutil.so.1",
];

/// What fits the machine's drivers, servers and settings: graphics, sound, fonts.
const MACHINE: [&str; 21] = [
    "libEGL.so.1",
    "libGL.so.1",
    "libGLX.so.0",
    "libGLdispatch.so.0",
    "libOpenGL.so.0",
    "libX11-xcb.so.1",
    "libX11.so.6",
    "libasound.so.2",
    "libdrm.so.2",
    "libfontconfig.so.1",
    "libfreetype.so.6",
    "libgbm.so.1",
    "libglapi.so.0",
    "libharfbuzz.so.0",
    "libjack.so.0",
    "libpipewire-0.3.so.0",
    "libusb-1.0.so.0",
    "libwayland-client.so.0",
    "libxcb-dri2.so.0",
    "libxcb-dri3.so.0",
    "libxcb.so.1",
];

pub(super) fn check(contents: &Contents, findings: &mut Findings) {
    if contents.store.is_some() {
        return;
    }
    for (path, _) in contents.tree.iter() {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_in = |list: &[&str]| list.iter().any(|known| known.as_bytes() == name);
        let got = match () {
            () if is_in(&LIBC) => "a part of the C library, which fits its own loader alone",
            () if is_in(&MACHINE) => "a library that fits the drivers and settings of one machine",
            () => continue,
        };
        findings.add((Severity::Warning, CHECK), path, got, "that of the machine it runs on");
    }
}
