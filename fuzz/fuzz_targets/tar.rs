//! A layer's tar, as `inspect`, `verify` and `extract` read it.

#![no_main]

use closure2img::untar::{self, Entry, Fault, Kind, Visitor};
use libfuzzer_sys::fuzz_target;

/// Checks that what is told holds together.
#[derive(Default)]
struct Checked {
    /// Bytes of the open file that are still to come.
    left: Option<u64>,
    told: u64,
}

impl Visitor for Checked {
    type Error = Fault;

    fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
        assert_eq!(self.left, None);
        let name = |path: &[u8]| {
            assert!(!path.starts_with(b"/") && !path.ends_with(b"/") && !path.contains(&0));
            let parts = path.split(|&byte| byte == b'/');
            assert!(path.is_empty() || parts.into_iter().all(|it| !matches!(it, b"" | b"." | b"..")));
        };
        name(&entry.path);
        match &entry.kind {
            Kind::File { size } => self.left = Some(*size),
            Kind::HardLink { target } => name(target),
            _ => {}
        }
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let left = self.left.as_mut().expect("a file is open");
        *left = left.checked_sub(bytes.len() as u64).expect("no more than was said");
        self.told += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        assert_eq!(self.left.take(), Some(0));
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut checked = Checked::default();
    let _ = untar::read(&mut &bytes[..], &mut checked);
    // Nothing is made up.
    assert!(checked.told <= bytes.len() as u64);
});
