//! Characters that a url can't have as they are, and that have only one meaning in it: they are percent-encoded.
//!
//! In: a path or a query as a person writes it. Out: the same as it is sent. Encoding twice changes nothing, because the percent
//! sign is not among the characters.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, utf8_percent_encode};

/// The characters of a query that are encoded, in addition to those that are not ASCII.
const IN_QUERY: &AsciiSet = &AsciiSet::EMPTY
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same of a path. Clients and services agree that brackets are left as they are in a query, and nowhere else.
const IN_PATH: &AsciiSet = &IN_QUERY.add(b'[').add(b']');

/// A path with these characters encoded.
#[must_use]
pub fn encoded_path(path: &str) -> Cow<'_, str> {
    utf8_percent_encode(path, IN_PATH).into()
}

/// The same for a query.
#[must_use]
pub fn encoded_query(query: &str) -> Cow<'_, str> {
    utf8_percent_encode(query, IN_QUERY).into()
}

/// The characters of a url that are percent-encoded, each once.
#[must_use]
pub fn encoded_characters(url: &str) -> Vec<char> {
    let (path, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    let mut found = Vec::new();
    for (part, set) in [(path, IN_PATH), (query, IN_QUERY)] {
        for character in part.chars() {
            let mut bytes = [0; 4];
            let is_encoded =
                utf8_percent_encode(character.encode_utf8(&mut bytes), set).any(|piece| piece.len() > 1);
            if is_encoded && !found.contains(&character) {
                found.push(character);
            }
        }
    }
    found
}

/// The first encoded slash or backslash, and where it is.
pub(super) fn encoded_separator(path: &str) -> Option<(usize, &str)> {
    let mut encodings = path.match_indices('%').filter_map(|(at, _)| Some((at, path.get(at..at + 3)?)));
    encodings.find(|(_, text)| text.eq_ignore_ascii_case("%2f") || text.eq_ignore_ascii_case("%5c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_can_be_said() {
        assert_eq!(encoded_characters("/a b\\[é]?[c d]é|%20"), [' ', '\\', '[', 'é', ']', '|']);
        assert!(encoded_characters("/a/b?c=d").is_empty());
    }

    #[test]
    fn twice_is_once() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        for encode in [encoded_path, encoded_query] {
            let once = encode(&all);
            assert_eq!(encode(&once), once);
        }
        assert!(matches!(encoded_path("/a%20b/(c)"), Cow::Borrowed(_)), "most urls are not copied");
    }
}
