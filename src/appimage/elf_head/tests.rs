//! Heads made here, of both classes, and all that can be wrong with them.

use std::fs::File;

use proptest::prelude::*;

use super::patch::RuntimeError;
use super::*;

/// An ELF program: header, the sections' contents, their names, and the table of section headers.
fn elf(wide: bool, machine: u16, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let (header, entry) = if wide { (64, 64) } else { (52, 40usize) };
    let mut bytes = vec![0; header];
    let mut names = vec![0];
    let mut rows = vec![(0usize, 0usize, 0usize)];
    for &(name, content) in sections {
        rows.push((names.len(), bytes.len(), content.len()));
        bytes.extend(content);
        names.extend(name.bytes().chain([0]));
    }
    rows.push((names.len(), bytes.len(), names.len() + ".shstrtab".len() + 1));
    names.extend(b".shstrtab\0");
    bytes.extend(&names);
    let table = bytes.len();
    for &(name, offset, size) in &rows {
        let mut row = vec![0; entry];
        row[..4].copy_from_slice(&name.to_le_bytes()[..4]);
        row[4] = u8::from(size > 0);
        let (at_offset, at_size) = if wide { (24, 32) } else { (16, 20) };
        row[at_offset..at_offset + 4].copy_from_slice(&offset.to_le_bytes()[..4]);
        row[at_size..at_size + 4].copy_from_slice(&size.to_le_bytes()[..4]);
        bytes.extend(row);
    }
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[4] = 1 + u8::from(wide);
    bytes[16] = 3;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    let (shoff, shentsize) = if wide { (40, 58) } else { (32, 46) };
    bytes[shoff..shoff + 4].copy_from_slice(&table.to_le_bytes()[..4]);
    for (at, number) in [(0, entry), (2, rows.len()), (4, rows.len() - 1)] {
        let at = shentsize + at;
        bytes[at..at + 2].copy_from_slice(&number.to_le_bytes()[..2]);
    }
    bytes
}

fn runtime(wide: bool) -> Vec<u8> {
    let sections: [(&str, &[u8]); 5] = [
        (".text", b"code"),
        (".digest_md5", &[0; 16]),
        (".upd_info", &[0; 1024]),
        (".sha256_sig", &[0; 1024]),
        (".sig_key", &[0; 8192]),
    ];
    elf(wide, if wide { 62 } else { 3 }, &sections)
}

#[test]
fn both_classes_are_read() {
    for (wide, machine) in [(true, "amd64"), (false, "386")] {
        let bytes = runtime(wide);
        let head = ElfHead::parse(&bytes).unwrap();
        assert_eq!(head.machine().unwrap().as_str(), machine);
        assert_eq!(head.end(), bytes.len() as u64);
        assert_eq!(head.appimage_type(), None);
        let sizes = Section::ALL.map(|section| {
            let range = head.section(section).unwrap();
            range.end - range.start
        });
        assert_eq!(sizes, [1024, 1024, 8192, 16]);
    }
    let arm = elf(true, 183, &[]);
    let head = ElfHead::parse(&arm).unwrap();
    assert_eq!(head.machine().unwrap().as_str(), "arm64");
    assert_eq!(head.section(Section::Key), None);
}

#[test]
fn what_is_appended_does_not_matter() {
    let program = std::env::current_exe().unwrap();
    let head = ElfHead::read(&File::open(&program).unwrap()).unwrap();
    assert_eq!(head.end(), program.metadata().unwrap().len());
    assert_eq!(head.machine(), Some(&Machine::host()));

    let mut bytes = runtime(true);
    let alone = ElfHead::parse(&bytes).unwrap();
    bytes.extend(b"hsqs and more");
    assert_eq!(ElfHead::parse(&bytes).unwrap(), alone);
    let error = RuntimeFile::parse(bytes).unwrap_err();
    assert!(matches!(error, RuntimeError::Size { size, end } if size == end + 13), "{error}");
}

#[test]
fn a_last_section_behind_the_table_counts() {
    let mut bytes = runtime(true);
    let table = bytes.len() as u64;
    let last = bytes.len() - 64;
    bytes[last + 24..last + 32].copy_from_slice(&table.to_le_bytes());
    let names = u64::from_le_bytes(bytes[last + 32..last + 40].try_into().unwrap());
    let old = usize::try_from(names).unwrap() + 7 * 64;
    let copy = bytes[bytes.len() - old..][..usize::try_from(names).unwrap()].to_vec();
    bytes.extend(copy);
    assert_eq!(ElfHead::parse(&bytes).unwrap().end(), table + names);
}

#[test]
fn sections_are_filled() {
    let bytes = runtime(false);
    let mut file = RuntimeFile::parse(bytes.clone()).unwrap();
    file.set(Section::UpdateInformation, b"zsync|https://x/y.zsync").unwrap();
    file.set(Section::UpdateInformation, b"shorter").unwrap();
    let head = ElfHead::parse(file.bytes()).unwrap();
    assert_eq!(head.appimage_type(), Some(2));
    let range = file.section(Section::UpdateInformation).unwrap();
    let place = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    assert_eq!(Section::content(&file.bytes()[place.clone()]), b"shorter");
    // Nothing else has changed.
    let mut expected = bytes;
    expected[8..11].copy_from_slice(b"AI\x02");
    expected[place.start..place.start + 7].copy_from_slice(b"shorter");
    assert_eq!(file.bytes(), expected);
    assert_eq!(file.size(), expected.len() as u64);

    file.set(Section::Signature, &[b'x'; 1024]).unwrap();
    assert_eq!(
        file.set(Section::Signature, &[b'x'; 1025]).unwrap_err().to_string(),
        "the signature needs 1025 bytes, and the runtime's section `.sha256_sig` has 1024"
    );
    assert_eq!(file.set(Section::Key, b"a\0b"), Err(PatchError::Zero(".sig_key")));
    let mut bare = RuntimeFile::parse(elf(true, 62, &[])).unwrap();
    assert_eq!(
        bare.set(Section::UpdateInformation, b"x").unwrap_err().to_string(),
        "the runtime has no section `.upd_info` for the update information"
    );
}

#[test]
fn what_is_wrong_is_said() {
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = runtime(true);
        bytes[at..at + with.len()].copy_from_slice(with);
        ElfHead::parse(&bytes).unwrap_err().to_string()
    };
    assert_eq!(
        patched(0, b"#!/b"),
        "it is no ELF program: it begins with the bytes [23, 21, 2f, 62]"
    );
    assert_eq!(patched(4, &[3]), "its ELF class is 3, expected 1 (32 bits) or 2 (64 bits)");
    assert_eq!(patched(5, &[2]), "its ELF byte order is 2, expected 1 (little-endian)");
    assert_eq!(patched(60, &[0, 0]), "its ELF number of section headers is 0, expected at least 1");
    assert_eq!(
        patched(58, &[40]),
        "its ELF size of a section header is 40, expected 40 (32 bits) or 64 (64 bits)"
    );
    assert_eq!(
        patched(62, &[7]),
        "its ELF index of the section with names is 7, expected one of its sections"
    );
    assert_eq!(
        patched(40, &u64::MAX.to_le_bytes()),
        "its ELF head points to byte 18446744073709551615, where the file has ended"
    );

    let twice = elf(true, 62, &[(".sig_key", b"a"), (".sig_key", b"b")]);
    assert!(matches!(ElfHead::parse(&twice), Err(ElfError::Twice(".sig_key"))));
    let large = elf(true, 62, &[(".sig_key", &vec![0; (64 << 10) + 1])]);
    assert!(matches!(ElfHead::parse(&large), Err(ElfError::Header { got: 65537, .. })));
    // `.sig_key` is the one before the last.
    let mut outside = runtime(true);
    let row = outside.len() - 2 * 64;
    outside[row + 24..row + 32].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(matches!(ElfHead::parse(&outside), Err(ElfError::Outside { name: ".sig_key", .. })));
    for length in 0..runtime(true).len() {
        ElfHead::parse(&runtime(true)[..length]).unwrap_err();
    }
}

proptest! {
    #[test]
    fn any_change_is_survived(wide: bool, changes in prop::collection::vec((0..64usize, any::<u8>()), 1..8), tail in 0..448usize) {
        let mut bytes = runtime(wide);
        let length = bytes.len();
        for (index, (at, byte)) in changes.into_iter().enumerate() {
            let at = if index % 2 == 0 { at } else { length - 1 - (at * 7 + tail) % 448 };
            bytes[at] = byte;
        }
        if let Ok(head) = ElfHead::parse(&bytes) {
            for range in Section::ALL.into_iter().filter_map(|section| head.section(section)) {
                assert!(range.start <= range.end && range.end <= head.end());
            }
        }
    }
}
