//! A row as its columns (file format, section 2.1).

/// The columns of a row, from first to last. Ends early where the row goes on in other pages.
pub(super) struct Record<'a> {
    types: &'a [u8],
    values: &'a [u8],
}

/// The value of a column.
pub(super) struct Column<'a> {
    kind: u64,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (length, _) = variable(bytes)?;
        let (header, values) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
        let (_, types) = variable(header)?;
        Some(Self { types, values })
    }
}

impl<'a> Iterator for Record<'a> {
    type Item = Column<'a>;

    fn next(&mut self) -> Option<Column<'a>> {
        let (kind, types) = variable(self.types)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => (kind - 12) / 2,
        };
        let (bytes, values) = self.values.split_at_checked(usize::try_from(length).ok()?)?;
        (self.types, self.values) = (types, values);
        Some(Column { kind, bytes })
    }
}

impl<'a> Column<'a> {
    /// Its bytes, if it is text.
    pub(super) fn text(&self) -> Option<&'a [u8]> {
        (self.kind >= 13 && self.kind % 2 == 1).then_some(self.bytes)
    }

    /// A number that is not negative.
    pub(super) fn number(&self) -> Option<u64> {
        match self.kind {
            8 => Some(0),
            9 => Some(1),
            1..=6 if self.bytes.first()? & 0x80 == 0 => {
                Some(self.bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
            }
            _ => None,
        }
    }
}

/// A number of one to nine bytes, and what is behind it.
pub(super) fn variable(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((number << 8 | u64::from(byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}
