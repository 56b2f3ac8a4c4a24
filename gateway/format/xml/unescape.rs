//! References undone (XML 1.0 §4.1, §4.6). The five predefined entities and character references
//! are all there is: without a DTD nothing else can be declared.

use std::borrow::Cow;

use quick_xml::escape::resolve_predefined_entity;

use super::chars::is_char;
use super::error::XmlError;

/// What white space becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blanks {
    /// In text, CR and CR LF are LF (§2.11).
    Lines,
    /// In attributes, each of them is a space (§3.3.3).
    Spaces,
}

/// The characters that `source` represents; it starts at byte `at` of the document.
pub(super) fn unescape(source: &str, at: usize, blanks: Blanks) -> Result<Cow<'_, str>, XmlError> {
    let is_special = |byte: &u8| match byte {
        b'&' | b'\r' => true,
        b'\n' | b'\t' => blanks == Blanks::Spaces,
        _ => false,
    };
    if !source.as_bytes().iter().any(is_special) {
        return Ok(Cow::Borrowed(source));
    }
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(found) = rest.as_bytes().iter().position(is_special) {
        let (plain, special) = rest.split_at(found);
        text.push_str(plain);
        let (character, length) = if special.starts_with('&') {
            let here = at + source.len() - special.len();
            let (name, _) =
                special.get(1..).and_then(|name| name.split_once(';')).ok_or_else(|| no_end(here))?;
            (referred(name, here)?, name.len() + 2)
        } else {
            let line = if blanks == Blanks::Lines { '\n' } else { ' ' };
            (line, if special.starts_with("\r\n") { 2 } else { 1 })
        };
        text.push(character);
        rest = special.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Ok(Cow::Owned(text))
}

/// The character that `&name;` represents.
pub(super) fn referred(name: &str, at: usize) -> Result<char, XmlError> {
    if let Some(character) = resolve_predefined_entity(name).and_then(|text| text.chars().next()) {
        return Ok(character);
    }
    let number = name.strip_prefix('#').ok_or_else(|| {
        XmlError::forbidden(at, "an XML batch can't have entities beyond the five predefined ones")
    })?;
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    // `from_str_radix` would take a sign, too.
    let digits = Some(digits).filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)));
    let character =
        digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32);
    character
        .filter(|character| is_char(*character))
        .ok_or_else(|| XmlError::syntax(at, "this character reference does not refer to an XML character"))
}

fn no_end(at: usize) -> XmlError {
    XmlError::syntax(at, "a `&` does not start a reference; write `&amp;` for the character")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::xml::error::XmlErrorKind;

    #[test]
    fn references_and_line_ends_are_undone() {
        let text = |source| unescape(source, 0, Blanks::Lines).unwrap().into_owned();
        assert_eq!(text("a&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;&#xd;z"), "a<>&'\"A😀\rz");
        assert_eq!(text("a\r\nb\rc\n\td"), "a\nb\nc\n\td");
        assert_eq!(text("&amp;lt;"), "&lt;");
        let value = |source| unescape(source, 0, Blanks::Spaces).unwrap().into_owned();
        assert_eq!(value("a\r\nb\tc\n&#10;"), "a b c \n");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(unescape("a\nb", 0, Blanks::Lines), Ok(Cow::Borrowed("a\nb"))));
    }

    #[test]
    fn other_entities_are_forbidden() {
        for source in ["ab&nbsp;", "ab&xxe;c", "ab&AMP;", "ab&;"] {
            let fault = unescape(source, 10, Blanks::Lines).unwrap_err();
            assert!(matches!(fault, XmlError { at: 12, kind: XmlErrorKind::Forbidden(_) }), "{source}");
        }
    }

    #[test]
    fn references_to_no_character_are_faults() {
        for source in [
            "&#0;",
            "&#xd800;",
            "&#xFFFF;",
            "&#x110000;",
            "&#99999999999;",
            "&#;",
            "&#x;",
            "&#+65;",
            "& ",
            "&a",
        ] {
            let fault = unescape(source, 0, Blanks::Lines).unwrap_err();
            assert!(matches!(fault.kind, XmlErrorKind::Syntax(_)), "{source}");
        }
    }
}
