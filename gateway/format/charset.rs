//! Text in the charset that its media type declares (RFC 9110 §8.3.2), both ways and without
//! loss: text that does not fit is an error, never a question mark.
//!
//! Labels are those of the WHATWG Encoding Standard, but `us-ascii` and `iso-8859-1` are written
//! as they are named, where that standard would write windows-1252.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Why text can't be written in a charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CharsetError {
    /// No such charset, or one that must not be written.
    Unknown,
    /// The charset lacks a character of the text.
    Unmappable,
}

/// The error as the end of a sentence about a body.
pub(crate) fn problem(error: CharsetError) -> &'static str {
    match error {
        CharsetError::Unknown => "has a charset that the gateway can't write",
        CharsetError::Unmappable => "has characters that its charset can't encode",
    }
}

/// The text in the charset; without one, in UTF-8.
pub(crate) fn encode<'a>(charset: Option<&str>, text: &'a str) -> Result<Cow<'a, [u8]>, CharsetError> {
    let Some(label) = charset else {
        return Ok(Cow::Borrowed(text.as_bytes()));
    };
    if is_one_of(label, &["us-ascii", "ascii"]) {
        return if text.is_ascii() {
            Ok(Cow::Borrowed(text.as_bytes()))
        } else {
            Err(CharsetError::Unmappable)
        };
    }
    if is_one_of(label, &["iso-8859-1", "iso8859-1", "latin1"]) {
        let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
        return bytes.map(Cow::Owned).ok_or(CharsetError::Unmappable);
    }
    let encoding = Encoding::for_label(label.as_bytes()).ok_or(CharsetError::Unknown)?;
    if encoding == UTF_16LE || encoding == UTF_16BE {
        return Ok(Cow::Owned(encode_utf_16(label, encoding, text)));
    }
    // Encodings that the standard only decodes have another one for output.
    if encoding.output_encoding() != encoding {
        return Err(CharsetError::Unknown);
    }
    let (bytes, _, unmappable) = encoding.encode(text);
    if unmappable { Err(CharsetError::Unmappable) } else { Ok(bytes) }
}

/// UTF-16; a bare `utf-16` says nothing of the byte order, so that it gets a byte order mark
/// (RFC 2781 §4.3).
fn encode_utf_16(label: &str, encoding: &Encoding, text: &str) -> Vec<u8> {
    let mark = is_one_of(label, &["utf-16"]).then_some(0xfeff);
    let units = mark.into_iter().chain(text.encode_utf16());
    units
        .flat_map(|unit| if encoding == UTF_16BE { unit.to_be_bytes() } else { unit.to_le_bytes() })
        .collect()
}

/// Decodes bytes in the charset; `None` if they are not valid in it, or it is unknown.
pub(crate) fn decode<'a>(charset: Option<&str>, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let encoding = match charset {
        Some(label) => Encoding::for_label(label.as_bytes())?,
        None => UTF_8,
    };
    if encoding == UTF_8 {
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    // In UTF-16 the mark is not part of the text, and it wins over the label (RFC 2781 §4.3).
    match Encoding::for_bom(bytes) {
        Some((marked, length)) if marked != UTF_8 && (encoding == UTF_16LE || encoding == UTF_16BE) => {
            marked.decode_without_bom_handling_and_without_replacement(bytes.get(length..)?)
        }
        _ => encoding.decode_without_bom_handling_and_without_replacement(bytes),
    }
}

/// Whether a label names UTF-8 or its subset US-ASCII.
pub(crate) fn is_utf_8(label: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|name| name.eq_ignore_ascii_case(label))
}

fn is_one_of(label: &str, names: &[&str]) -> bool {
    names.iter().any(|name| label.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_in_its_charset() {
        let encoded = |charset, text| encode(charset, text).map(Cow::into_owned);
        assert_eq!(encoded(None, "é"), Ok("é".as_bytes().to_vec()));
        assert_eq!(encoded(Some("UTF-8"), "é"), Ok("é".as_bytes().to_vec()));
        assert_eq!(encoded(Some("iso-8859-1"), "é"), Ok(vec![0xe9]));
        assert_eq!(encoded(Some("windows-1252"), "€"), Ok(vec![0x80]));
        assert_eq!(encoded(Some("utf-16"), "a"), Ok(vec![0xff, 0xfe, b'a', 0]));
        assert_eq!(encoded(Some("utf-16be"), "a"), Ok(vec![0, b'a']));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(encode(Some("iso-8859-1"), "€"), Err(CharsetError::Unmappable));
        assert_eq!(encode(Some("us-ascii"), "é"), Err(CharsetError::Unmappable));
        assert_eq!(encode(Some("koi8-r"), "漢"), Err(CharsetError::Unmappable));
        assert_eq!(encode(Some("klingon"), "a"), Err(CharsetError::Unknown));
        assert_eq!(encode(Some("iso-2022-kr"), "a"), Err(CharsetError::Unknown));
    }

    #[test]
    fn bytes_are_read_in_their_charset_or_not_at_all() {
        assert_eq!(decode(None, b"\xc3\xa9").as_deref(), Some("é"));
        assert_eq!(decode(None, b"\xe9"), None);
        assert_eq!(decode(Some("latin1"), b"\xe9").as_deref(), Some("é"));
        assert_eq!(decode(Some("utf-16"), b"\xfe\xff\0a").as_deref(), Some("a"));
        assert_eq!(decode(Some("utf-16le"), b"a\0").as_deref(), Some("a"));
        assert_eq!(decode(Some("utf-16le"), b"a"), None);
        assert_eq!(decode(Some("klingon"), b"a"), None);
    }
}
