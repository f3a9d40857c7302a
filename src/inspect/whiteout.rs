//! Orders in a layer about files in layers below (OCI image-spec, "Whiteouts").

use super::contents::What;

/// What begins so in a layer is an order about files in layers below.
const WHITEOUT: &[u8] = b".wh.";
/// The order to hide all that layers below have in a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What else begins so is a union file system's own affair.
const RESERVED: &[u8] = b".wh..wh.";

/// A path with the order that it is, or as it stands.
pub(super) fn whiteout(path: &[u8]) -> Option<(Vec<u8>, What)> {
    let start = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (dir, name) = path.split_at(start);
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    if name == OPAQUE {
        return Some((dir.to_vec(), What::Opaque));
    }
    if name.starts_with(RESERVED) {
        return None;
    }
    let hidden = name.strip_prefix(WHITEOUT).filter(|hidden| !hidden.is_empty())?;
    let path = if dir.is_empty() { hidden.to_vec() } else { [dir, b"/", hidden].concat() };
    Some((path, What::Whiteout))
}

/// Whether it is a union file system's own affair.
pub(super) fn is_reserved(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|name| name.starts_with(RESERVED) && name != OPAQUE)
}
