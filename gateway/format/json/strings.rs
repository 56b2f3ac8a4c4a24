//! JSON strings (RFC 8259 §7): escapes undone on the way in, made on the way out.

use std::borrow::Cow;

use super::error::{JsonError, JsonErrorKind};
use crate::format::chunk_writer::ChunkWriter;

/// A string as the client wrote it. The form of its escapes is checked, they are not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawString<'a> {
    /// The text between the quotes.
    pub(super) content: &'a str,
    /// Where the content starts in the text.
    pub(super) at: usize,
    /// Whether there is an escape in it.
    pub(super) escaped: bool,
}

impl<'a> RawString<'a> {
    /// The characters that the string represents. A lone surrogate represents none and is an error.
    pub(crate) fn decode(self) -> Result<Cow<'a, str>, JsonError> {
        if !self.escaped {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut decoded = String::with_capacity(self.content.len());
        let mut rest = self.content;
        while let Some(start) = memchr::memchr(b'\\', rest.as_bytes()) {
            decoded.push_str(rest.get(..start).unwrap_or_default());
            let escape = rest.get(start..).unwrap_or_default();
            let Some((character, length)) = unescape(escape) else {
                let at = self.at + self.content.len() - escape.len();
                return Err(JsonError {
                    at,
                    kind: JsonErrorKind::Syntax("this surrogate is not part of a pair"),
                });
            };
            decoded.push(character);
            rest = escape.get(length..).unwrap_or_default();
        }
        decoded.push_str(rest);
        Ok(Cow::Owned(decoded))
    }
}

/// Whether a number is so large that a double can't hold it; few can be.
pub(super) fn is_beyond_double(number: &str) -> bool {
    const DIGITS: usize = 300;
    let may_be = number.len() > DIGITS || number.bytes().any(|byte| matches!(byte, b'e' | b'E'));
    may_be && number.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The character that an escape represents, and the escape's length in bytes.
pub(super) fn unescape(escape: &str) -> Option<(char, usize)> {
    let character = match escape.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(escape),
        other => char::from(*other),
    };
    Some((character, 2))
}

/// `\uXXXX`, or two of them where the first is the first half of a pair (RFC 8259 §7).
fn unescape_unicode(escape: &str) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = escape.get(from..from + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    if !(0xd800..0xe000).contains(&first) {
        return char::from_u32(first.into()).map(|character| (character, 6));
    }
    let pair = char::decode_utf16([first, unit(6)?]).next()?;
    pair.ok().map(|character| (character, 12))
}

/// Bytes before the first quote, backslash or control character. Looks at eight at a time, because
/// most of a batch goes through here.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut length = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let quotes = word ^ (ONES * 0x22);
        let backslashes = word ^ (ONES * 0x5c);
        // The high bit of a byte in which the subtraction borrows; the lowest such byte is exact.
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let found = controls
            | (quotes.wrapping_sub(ONES) & !quotes)
            | (backslashes.wrapping_sub(ONES) & !backslashes);
        let found = found & (ONES << 7);
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = bytes.get(length..).unwrap_or_default();
    length + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Writes the text as a JSON string, quotes included.
pub(crate) fn write(output: &mut ChunkWriter, text: &str) {
    output.put(b"\"");
    write_content(output, text);
    output.put(b"\"");
}

/// Writes the text as the content of a JSON string, without quotes.
pub(super) fn write_content(output: &mut ChunkWriter, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, from_special) = rest.split_at(plain_length(rest));
        output.put(plain);
        let Some((&byte, after)) = from_special.split_first() else { break };
        write_escape(output, byte);
        rest = after;
    }
}

fn write_escape(output: &mut ChunkWriter, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => output.put(b"\\\""),
        b'\\' => output.put(b"\\\\"),
        b'\n' => output.put(b"\\n"),
        b'\r' => output.put(b"\\r"),
        b'\t' => output.put(b"\\t"),
        _ => {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            output.put(b"\\u00");
            output.put(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::json::lexer::Lexer;

    fn decoded(json: &str) -> Result<String, JsonError> {
        Lexer::new(json, 1).string()?.decode().map(Cow::into_owned)
    }

    #[test]
    fn escapes_are_undone() {
        let json = r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000z""#;
        assert_eq!(decoded(json).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀\0z");
    }

    #[test]
    fn a_lone_surrogate_is_a_fault_at_its_place() {
        for json in [r#""ab\ud800""#, r#""ab\udc00\ud800""#, r#""ab\ud800\u0041""#, r#""ab\ud800x""#] {
            assert_eq!(decoded(json).unwrap_err().at, 3, "{json}");
        }
    }

    proptest! {
        #[test]
        fn plain_bytes_are_counted_exactly(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let expected = bytes.iter().position(|&byte| is_special(byte)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_length(&bytes), expected);
        }

        #[test]
        fn text_without_specials_is_plain(text in "[ !#-\\[\\]-\u{ff}]{0,40}", end in "[\"\\\\\n]?") {
            let whole = format!("{text}{end}rest");
            let expected = if end.is_empty() { whole.len() } else { text.len() };
            prop_assert_eq!(plain_length(whole.as_bytes()), expected);
        }

        #[test]
        fn what_is_written_is_what_serde_json_reads(text in any::<String>()) {
            let mut output = ChunkWriter::new(0);
            write(&mut output, &text);
            let json = String::from_utf8(output.finish().concat()).unwrap();
            prop_assert_eq!(&serde_json::from_str::<String>(&json).unwrap(), &text);
            prop_assert_eq!(&decoded(&json).unwrap(), &text);
        }

        #[test]
        fn what_serde_json_writes_is_read(text in any::<String>()) {
            prop_assert_eq!(decoded(&serde_json::to_string(&text).unwrap()).unwrap(), text);
        }
    }
}
