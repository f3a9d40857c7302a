//! Streams that are opened join, and what is no stream is told.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;

fn deflate(level: u32, input: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(input).unwrap();
    encoder.finish().unwrap()
}

fn inflate(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    DeflateDecoder::new(stream).read_to_end(&mut out).unwrap();
    out
}

/// Bytes as unlike each other as those of a tar: runs, words, numbers, noise.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        (any::<u8>(), 1..3000_usize).prop_map(|(byte, count)| vec![byte; count]),
        prop::collection::vec(any::<u8>(), 0..2000),
        prop::collection::vec(prop::sample::select(b"aeinrst ./\n".to_vec()), 0..9000),
        (any::<u16>(), 0..4000_u16).prop_map(|(from, count)| {
            (0..count).flat_map(|at| from.wrapping_add(at).to_le_bytes()).collect()
        }),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

#[test]
fn what_is_no_stream_is_an_error() {
    let whole = deflate(6, b"what is no stream");
    let good = deflate(6, b"");
    for (bad, why) in [
        (&[][..], "no end"),
        (&[0b111], "a block of no type"),
        (&[1, 2, 0, 2, 0, 0, 0], "a stored block of two lengths"),
        (&[1, 2, 0, 0xfd, 0xff, 0], "no end"),
        (&whole[..whole.len() - 1], "no end"),
        (&[&whole[..], &[0]].concat(), "more behind its last block"),
    ] {
        for streams in [[bad, &good], [&good, bad]] {
            let error = find(streams).unwrap_err();
            assert_eq!(error.to_string(), format!("a deflate stream has {why}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn streams_are_opened_and_go_on(
        parts in prop::collection::vec((bytes(), 0_u32..=9), 2..5),
    ) {
        let streams: Vec<_> =
            parts.iter().map(|(part, level)| deflate(*level, part)).collect();
        let mut out = Vec::new();
        for pair in streams.windows(2) {
            let [end, _] = find([&pair[0], &pair[1]]).unwrap();
            prop_assert_eq!(end, find([&pair[1], &pair[0]]).unwrap()[1]);
            end.append_open(&pair[0], &mut out);
            prop_assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        }
        out.extend_from_slice(&streams[streams.len() - 1]);
        let input: Vec<u8> = parts.into_iter().flat_map(|(part, _)| part).collect();
        prop_assert_eq!(inflate(&out), input);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut one in prop::collection::vec(any::<u8>(), 0..3000),
        two in bytes(),
        damage in any::<(prop::sample::Index, u8)>(),
        cut in any::<prop::sample::Index>(),
    ) {
        // Most begin with a block that has codes, or nothing would get far.
        if let Some(first) = one.first_mut().filter(|first| **first & 7 != 0) {
            *first = *first & !7 | 4;
        }
        let mut stream = deflate(6, &two);
        let _ = find([&one, &stream]);
        let at = damage.0.index(stream.len());
        stream[at] ^= damage.1;
        stream.truncate(cut.index(stream.len() * 2) + 1);
        for streams in [[&one[..], &stream[..]], [&stream, &one]] {
            if let Ok(ends) = find(streams) {
                for (end, stream) in ends.into_iter().zip(streams) {
                    prop_assert!(end.start < end.end && end.end <= stream.len() * 8);
                }
            }
        }
    }
}
