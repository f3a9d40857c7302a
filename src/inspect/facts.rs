//! What formats other than container images say of themselves.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Error;
use super::image::{Format, Image};
use crate::aci;
use crate::appimage::elf_head::{ElfHead, Section};
use crate::appimage::signature::{Verdict, verify};

/// The most that is read of a section: runtimes have 8 KiB for the largest.
const MAX_SECTION: u64 = 64 << 10;

/// Facts by their names, for an ACI or AppImage; none for other images, whose documents say all.
pub fn facts(image: &Image) -> Result<Map<String, Value>, Error> {
    let facts = match &image.format {
        Format::Aci { file } => of_aci(file)?,
        Format::AppImage { file, head } => of_appimage(file, head)?,
        _ => json!({}),
    };
    Ok(facts.as_object().cloned().unwrap_or_default())
}

/// The manifest and what is beside it. The image ID is that of the tar, so that all of it is read.
fn of_aci(file: &Path) -> Result<Value, Error> {
    let failed = Error::read(file);
    let report =
        File::open(file).and_then(|open| aci::check(open.take(u64::MAX))).map_err(failed)?;
    let mut signature = file.as_os_str().to_owned();
    signature.push(".asc");
    Ok(json!({
        "image_id": report.id.map(|id| id.to_string()),
        "compression": report.packed.map(|packed| packed.to_string()),
        "manifest": report.manifest,
        "signature": Path::new(&signature).is_file().then(|| signature.to_string_lossy().into_owned()),
    }))
}

/// What is to be said of an AppImage's signature.
fn signature(file: &Path) -> String {
    match verify(file) {
        Ok(Verdict::Unsigned) => "none".into(),
        Ok(Verdict::Good(by)) => {
            let caveat = by.caveat.map(|caveat| format!(", but {caveat}")).unwrap_or_default();
            format!("good, by {} ({}){caveat}", by.signer, by.fingerprint)
        }
        Ok(Verdict::Bad { signer }) => format!("bad: the file is not what {signer} signed"),
        Ok(Verdict::UnknownKey { key }) => format!("by the key {key}, which is not in the file"),
        Ok(Verdict::Malformed) => "malformed".into(),
        Ok(Verdict::DigestOnly { matches: true }) => "none, only the right digest".into(),
        Ok(Verdict::DigestOnly { matches: false }) => "none, only a wrong digest".into(),
        Err(error) => format!("not checked: {error}"),
    }
}

/// What is wrong with an AppImage's signature, if it has one that is wrong.
pub(super) fn wrong_signature(file: &Path) -> Option<String> {
    let is_wrong = matches!(
        verify(file),
        Ok(Verdict::Bad { .. } | Verdict::Malformed | Verdict::DigestOnly { matches: false })
    );
    is_wrong.then(|| signature(file))
}

fn of_appimage(file: &Path, head: &ElfHead) -> Result<Value, Error> {
    let open = File::open(file).map_err(Error::read(file))?;
    let section = |section: Section| -> Result<Option<String>, Error> {
        let Some(range) = head.section(section) else { return Ok(None) };
        let size = range.end.saturating_sub(range.start).min(MAX_SECTION);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        open.read_exact_at(&mut bytes, range.start).map_err(Error::read(file))?;
        let text = String::from_utf8_lossy(Section::content(&bytes)).into_owned();
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    Ok(json!({
        "machine": head.machine().map(|machine| machine.as_str().to_owned()),
        "runtime_size": head.end(),
        "update_information": section(Section::UpdateInformation)?,
        "signature": signature(file),
    }))
}
