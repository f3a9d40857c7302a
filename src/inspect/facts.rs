//! What formats other than container images say of themselves.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Error;
use super::description::Description;
use super::image::{Format, Image};
use crate::appimage::elf_head::{ElfHead, Section};

/// The most that is read of a section: runtimes have 8 KiB for the largest.
const MAX_SECTION: u64 = 64 << 10;

/// Facts by their names, for an ACI or AppImage; none for other images, whose documents say all.
pub fn facts(image: &Image, described: &Description) -> Result<Map<String, Value>, Error> {
    let facts = match &image.format {
        Format::Aci { .. } => described.aci.as_ref().map_or_else(
            || json!({}),
            |report| {
                json!({
                    "image_id": report.id.map(|id| id.to_string()),
                    "compression": report.packed.name(),
                    "manifest": report.manifest,
                })
            },
        ),
        Format::AppImage { file, head } => of_appimage(file, head)?,
        _ => json!({}),
    };
    Ok(facts.as_object().cloned().unwrap_or_default())
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
    }))
}
