//! The size of a NAR, counted without writing it.
//!
//! The format: Eelco Dolstra's thesis, figure 5.2, and the Nix manual, "Nix Archive (NAR) format".
//! Each token is a 64-bit length and its bytes, padded with zeros to a multiple of 8.

/// Counts the bytes that the NAR of one store path has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarSize(u64);

impl Default for NarSize {
    fn default() -> Self {
        Self(token("nix-archive-1".len() as u64))
    }
}

impl NarSize {
    /// Adds a directory at `path`, relative to the store path.
    pub fn directory(&mut self, path: &[u8]) {
        self.node(path, &["directory"]);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &[u8], target: &[u8]) {
        self.node(path, &["symlink", "target"]);
        self.0 += token(target.len() as u64);
    }

    /// Adds a regular file of `size` bytes.
    pub fn file(&mut self, path: &[u8], executable: bool, size: u64) {
        self.node(path, &["regular", "contents"]);
        if executable {
            self.0 += tokens(&["executable", ""]);
        }
        self.0 = self.0.saturating_add(token(size));
    }

    /// The sum, in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    fn node(&mut self, path: &[u8], words: &[&str]) {
        self.0 += tokens(&["(", "type", ")"]) + tokens(words);
        if !path.is_empty() {
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            self.0 += tokens(&["entry", "(", "name", "node", ")"]) + token(name.len() as u64);
        }
    }
}

fn tokens(words: &[&str]) -> u64 {
    words.iter().map(|word| token(word.len() as u64)).sum()
}

fn token(length: u64) -> u64 {
    length.checked_next_multiple_of(8).map_or(u64::MAX, |padded| padded.saturating_add(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_nix_does() {
        // `nix path-info` of fixtures' tiny-symlink: one link to /nix/store/<32>-tiny-tree.
        let mut link = NarSize::default();
        link.symlink(b"", &[b'x'; 53]);
        assert_eq!(link.bytes(), 168);
        // `printf 'leaf\n' > $out`
        let mut leaf = NarSize::default();
        leaf.file(b"", false, 5);
        assert_eq!(leaf.bytes(), 120);
    }
}
