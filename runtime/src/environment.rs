//! The application's environment: the caller's, changed.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// `NAME=VALUE`, each name once.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<CString>);

impl Environment {
    /// The caller's.
    pub fn new(entries: &[&CStr]) -> Self {
        Self(entries.iter().map(|entry| CString::from(*entry)).collect())
    }

    /// Sets a variable, wherever its value came from before. A name or value with a zero in it cannot be set.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let Ok(entry) = CString::new([name, b"=", value].concat()) else { return };
        let same = |old: &CString| old.as_bytes().starts_with(&entry.as_bytes()[..=name.len()]);
        match self.0.iter_mut().find(|old| same(old)) {
            Some(old) => *old = entry,
            None => self.0.push(entry),
        }
    }

    /// As `execve` takes it.
    pub fn entries(&self) -> Vec<&CStr> {
        self.0.iter().map(CString::as_c_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_and_names_are_whole() {
        let mut all = Environment::new(&[c"AB=1", c"A=2"]);
        all.set(b"A", b"3");
        all.set(b"C", b"x=y");
        all.set(b"D", b"a\0b");
        assert_eq!(all.entries(), [c"AB=1", c"A=3", c"C=x=y"]);
    }
}
