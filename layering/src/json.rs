//! What the readers of JSON have in common.

use serde_json::Value;

use crate::{StoreDir, StoreDirError, StorePath};

/// A list of full store paths, sorted, each once. `None` if it is no list of strings.
pub(crate) fn paths(
    value: &Value,
    store: &StoreDir,
) -> Option<Result<Vec<StorePath>, StoreDirError>> {
    let texts: Option<Vec<&str>> = value.as_array()?.iter().map(Value::as_str).collect();
    let paths: Result<Vec<StorePath>, _> =
        texts?.into_iter().map(|text| store.parse(text)).collect();
    Some(paths.map(|mut paths| {
        paths.sort();
        paths.dedup();
        paths
    }))
}

/// A value as part of a message, which a large file must not fill.
pub(crate) fn shown(value: &Value) -> String {
    const MOST: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
