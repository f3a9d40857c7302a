//! An icon for whoever has none: a PNG of 256 by 256 pixels, as the AppImage specification wants it.
//!
//! A disc on a square with round corners, in a colour that follows from the name. The pixels are two
//! bits each and stored without compression, so that the bytes depend on nothing else.

use flate2::Crc;

/// Width and height.
const SIZE: u32 = 256;

/// Bytes in a row of pixels, the filter's number in front.
const ROW: usize = SIZE as usize / 4 + 1;

/// A PNG for an application of that name.
pub fn png(name: &str) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    // Size, two bits for each pixel, with a palette.
    chunk(
        &mut file,
        *b"IHDR",
        &[&SIZE.to_be_bytes()[..], &SIZE.to_be_bytes(), &[2, 3, 0, 0, 0]].concat(),
    );
    let [red, green, blue] = colour(name);
    chunk(&mut file, *b"PLTE", &[0, 0, 0, red, green, blue, 255, 255, 255]);
    chunk(&mut file, *b"tRNS", &[0]);
    chunk(&mut file, *b"IDAT", &stored(&pixels()));
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// One of twelve colours that white can be seen on (FNV-1a over the name).
fn colour(name: &str) -> [u8; 3] {
    const COLOURS: [[u8; 3]; 12] = [
        [0x1a, 0x5f, 0xb4],
        [0x26, 0x80, 0x4a],
        [0x61, 0x3a, 0x83],
        [0xa5, 0x1d, 0x2d],
        [0x86, 0x5e, 0x3c],
        [0x0f, 0x6e, 0x7a],
        [0xb0, 0x4b, 0x00],
        [0x3d, 0x38, 0x46],
        [0x7a, 0x1f, 0x5c],
        [0x4a, 0x6b, 0x00],
        [0x2c, 0x4a, 0x7c],
        [0x6b, 0x2d, 0x10],
    ];
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    COLOURS[hash as usize % COLOURS.len()]
}

/// Rows of pixels: 0 nothing, 1 the colour, 2 white.
fn pixels() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROW * SIZE as usize);
    for y in 0..SIZE {
        bytes.push(0);
        for x in (0..SIZE).step_by(4) {
            let four = (x..x + 4).fold(0, |byte, x| byte << 2 | pixel(x, y));
            bytes.push(four);
        }
    }
    bytes
}

fn pixel(x: u32, y: u32) -> u8 {
    const MARGIN: u32 = 16;
    const CORNER: u32 = 48;
    const DISC: u32 = 56;
    // Twice the distance from the middle, so that both halves are the same.
    let from_middle = |at: u32| (2 * at + 1).abs_diff(SIZE);
    let (dx, dy) = (from_middle(x), from_middle(y));
    let edge = SIZE - 2 * MARGIN;
    let beyond = |d: u32| d.saturating_sub(edge - 2 * CORNER);
    if dx.pow(2) + dy.pow(2) < (2 * DISC).pow(2) {
        return 2;
    }
    u8::from(beyond(dx).pow(2) + beyond(dy).pow(2) < (2 * CORNER).pow(2))
}

/// A zlib stream (RFC 1950) of one stored block (RFC 1951).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("256 rows of 65 bytes");
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(bytes);
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("some kilobytes");
    file.extend(length.to_be_bytes());
    let mut crc = Crc::new();
    for part in [&kind[..], bytes] {
        crc.update(part);
        file.extend(part);
    }
    file.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_has_the_same_icon() {
        assert_eq!(png("hello"), png("hello"));
        assert_ne!(png("hello"), png("python3"));
        assert_eq!(&png("x")[..8], b"\x89PNG\r\n\x1a\n");
    }

    #[test]
    fn the_pixels_can_be_unpacked_again() {
        let rows = pixels();
        let mut plain = Vec::new();
        let stream = stored(&rows);
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&stream[..]), &mut plain)
            .unwrap();
        assert_eq!(plain, rows);
        assert_eq!(rows.len(), ROW * 256);
        assert_eq!((pixel(128, 128), pixel(0, 0), pixel(128, 20), pixel(17, 17)), (2, 0, 1, 0));
    }
}
