//! CRC-64 of ISO 3309, by which tar-split knows contents.

/// The polynomial, its bits reversed.
const POLYNOMIAL: u64 = 0xd800_0000_0000_0000;

/// What a byte does to a sum, with up to seven zero bytes behind it, so that eight bytes go at a
/// time ("slicing by 8", Kounavis and Berry, 2005).
const TABLES: [[u64; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let sum: u64 = tables[table - 1][byte];
            tables[table][byte] = (sum >> 8) ^ tables[0][(sum & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
};

/// A sum over the bytes so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc64(u64);

impl Crc64 {
    pub(super) fn new() -> Self {
        Self(!0)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let mixed = (self.0 ^ u64::from_le_bytes(*word)).to_le_bytes();
            self.0 = 0;
            for (table, byte) in TABLES.iter().rev().zip(mixed) {
                self.0 ^= table[usize::from(byte)];
            }
        }
        for &byte in rest {
            let low = self.0.to_le_bytes()[0] ^ byte;
            self.0 = (self.0 >> 8) ^ TABLES[0][usize::from(low)];
        }
    }

    /// Big-endian, as Go's `hash/crc64` writes it.
    pub(super) fn sum(self) -> [u8; 8] {
        (!self.0).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u64 {
        let mut crc = Crc64::new();
        crc.update(bytes);
        u64::from_be_bytes(crc.sum())
    }

    /// From the tests of Go's `hash/crc64`, and "CRC-64/GO-ISO" in Greg Cook's catalogue.
    #[test]
    fn known_sums() {
        for (text, expected) in [
            ("", 0),
            ("a", 0x3420_0000_0000_0000),
            ("ab", 0x36c4_2000_0000_0000),
            ("abcdefghij", 0x7f5b_6e21_b002_d367_u64),
            ("123456789", 0xb909_56c7_75a4_1001),
        ] {
            assert_eq!(sum(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn it_does_not_matter_how_bytes_come() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        for cut in 0..bytes.len() {
            let mut crc = Crc64::new();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            assert_eq!(u64::from_be_bytes(crc.sum()), sum(&bytes), "{cut}");
        }
    }
}
