//! Bytes as base64 text (RFC 4648). Read in either alphabet, with padding or without, but never
//! leniently otherwise: no blanks, no mixed alphabets, no stray bits. Written with
//! padding, in the standard alphabet unless the dialect has the other.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine as _};

use super::chunk_writer::ChunkWriter;

const EITHER_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, EITHER_PADDING);
const URL_ENGINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, EITHER_PADDING);

/// Bytes encoded at a time: a multiple of three, so that no padding comes in between.
const PIECE: usize = 3 * 1024;

/// Decodes the text; `None` if it is not base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let engine =
        if text.bytes().any(|byte| matches!(byte, b'-' | b'_')) { URL_ENGINE } else { STANDARD_ENGINE };
    engine.decode(text).ok()
}

/// Writes the bytes in base64.
pub(crate) fn write(output: &mut ChunkWriter, bytes: &[u8]) {
    write_with(&STANDARD_ENGINE, output, bytes);
}

/// Writes the bytes in base64url, with padding (RFC 4648 §5).
pub(crate) fn write_url_safe(output: &mut ChunkWriter, bytes: &[u8]) {
    write_with(&URL_ENGINE, output, bytes);
}

fn write_with(engine: &GeneralPurpose, output: &mut ChunkWriter, bytes: &[u8]) {
    let mut piece = [0; PIECE / 3 * 4];
    for part in bytes.chunks(PIECE) {
        // The buffer holds any piece, so that encoding it can't fail.
        let length = engine.encode_slice(part, &mut piece).unwrap_or_default();
        output.put(piece.get(..length).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_alphabet_is_read_with_padding_or_without() {
        for text in ["+/+/+w==", "+/+/+w", "-_-_-w==", "-_-_-w"] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff, 0xbf, 0xfb]), "{text}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
    }

    #[test]
    fn invalid_base64_is_refused() {
        for text in ["+/-_", "a", "aa=", "aaaa=", "aa==aa==", "aa ==", "aGk\n", " aGk=", "aB==", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 2] {
            let bytes: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let mut output = ChunkWriter::new(0);
            write(&mut output, &bytes);
            let text = output.finish().concat();
            assert_eq!(decode(std::str::from_utf8(&text).unwrap()), Some(bytes));
        }
    }
}
