//! The only path canonicaliser: routes are matched against its output. What is sent is the path as it was written.
//!
//! In: the path of a url in origin-form (RFC 9112 §3.2.1). Out: the same path with needless percent-encodings decoded
//! (RFC 3986 §6.2.2.2) and hex digits in upper case, or the reason why the path is refused. Canonicalising twice changes
//! nothing, and a server that decodes reads the same in the path as it was written. `..` is never resolved: a path with it is refused, because the upstream might resolve it differently.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A path that every server reads in the same way.
///
/// It is sent as it was written: signatures may cover its spelling, and `%24` may be data where `$` means something (RFC 3986 §2.2).
/// Most services decode it, though, so that routes, endpoints and access rules have to take both for the same: paths are compared
/// decoded.
#[derive(Clone, Debug)]
pub struct CanonicalPath {
    text: Box<str>,
    /// The path as it was written; `None`: it was canonical.
    written: Option<Box<str>>,
    /// The path as it is compared; `None`: as it is.
    decoded: Option<Box<str>>,
}

impl PartialEq for CanonicalPath {
    fn eq(&self, other: &Self) -> bool {
        self.compared() == other.compared()
    }
}

impl Eq for CanonicalPath {}

/// How strictly to refuse paths that servers read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Items of a batch: no encoded slashes or backslashes, no double encodings, no empty segments.
    Item,
    /// Items of a batch before their route is known: a route may take encoded slashes ([`EncodedSlashes`]). Everything else
    /// is as for items.
    ItemWithSlashes,
    /// Single requests: encoded slashes and empty segments are data, as in any proxy. Only dot segments (also between
    /// encoded slashes) and broken encodings are refused.
    Proxied,
}

/// Whether a route takes items with an encoded slash (`%2F`) or backslash (`%5C`) in their path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodedSlashes {
    /// No.
    #[default]
    Refuse,
    /// Yes, as they are.
    Pass,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with exactly one slash.
    #[error("must start with a single `/`")]
    NotAbsolute,
    /// `//` inside the path of an item.
    #[error("has an empty path segment (`//`)")]
    EmptySegment,
    /// `.` or `..`, plain or encoded, with or without parameters, also between encoded slashes.
    #[error("has a dot segment (`.` or `..`, plain or percent-encoded)")]
    DotSegment,
    /// `%` without two hex digits after it.
    #[error("has a broken percent-encoding")]
    BrokenEncoding,
    /// `%2F`, `%5C`, `%00` or a double encoding.
    #[error("has an encoded slash, backslash, control character or doubly encoded character")]
    EncodedSeparator,
    /// A character that must be percent-encoded in a path.
    #[error("has a character that must be percent-encoded")]
    Character,
}

impl CanonicalPath {
    /// Canonicalises `path` (no query, no fragment).
    ///
    /// # Errors
    /// Says why the path is refused.
    pub fn parse(path: &str, strictness: Strictness) -> Result<Self, PathError> {
        let bytes = path.as_bytes();
        if bytes.first() != Some(&b'/') || bytes.get(1) == Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        let decoded = decode_unreserved(path, strictness)?;
        for segment in decoded.split('/').skip(1) {
            check_segment(segment)?;
        }
        match strictness {
            Strictness::Item | Strictness::ItemWithSlashes => check_item(&decoded)?,
            Strictness::Proxied => {}
        }
        let written = (decoded != path).then(|| path.into());
        Ok(Self { written, ..decoded.into_owned().into() })
    }

    /// The path as paths are compared: every encoded character decoded that would not change where a segment begins or
    /// ends. Not to be sent.
    #[must_use]
    pub fn compared(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.text)
    }

    /// The path as it was written, which is what an upstream gets. It starts with a slash.
    #[must_use]
    pub fn as_written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }

    /// The path in its canonical spelling. It starts with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the two paths differ only by a slash at the end.
    #[must_use]
    pub fn differs_by_last_slash(&self, other: &Self) -> bool {
        let without = |long: &Self, short: &Self| long.compared().strip_suffix('/') == Some(short.compared());
        without(self, other) || without(other, self)
    }
}

impl From<String> for CanonicalPath {
    fn from(text: String) -> Self {
        let decoded = decoded_to_compare(&text).map(String::into_boxed_str);
        Self { text: text.into_boxed_str(), written: None, decoded }
    }
}

/// A path in which visible ASCII characters are decoded, unless they are or begin something else when decoded; `None`: it has
/// none of them encoded.
pub(super) fn decoded_to_compare(path: &str) -> Option<String> {
    let stays = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'/' | b'\\' | b'%');
    let encoded = |at: usize| path.get(at..).and_then(decoded_byte).filter(|byte| !stays(*byte));
    path.match_indices('%').find_map(|(at, _)| encoded(at))?;
    let mut decoded = String::with_capacity(path.len());
    let mut rest = 0;
    for (at, byte) in path.match_indices('%').filter_map(|(at, _)| Some((at, encoded(at)?))) {
        decoded.push_str(path.get(rest..at).unwrap_or_default());
        decoded.push(char::from(byte));
        rest = at + 3;
    }
    decoded.push_str(path.get(rest..).unwrap_or_default());
    Some(decoded)
}

/// Checks the decoded path, so that no encoding hides in another: `%252%65` is decoded to `%252e`.
fn check_item(path: &str) -> Result<(), PathError> {
    if path.as_bytes().windows(2).any(|two| two == b"//") {
        return Err(PathError::EmptySegment);
    }
    if !path.contains('%') {
        return Ok(());
    }
    let mut behind_percents = path.split("%25").skip(1);
    // A server that decodes twice would read a dot or a slash.
    let is_doubly =
        |behind: &str| behind.as_bytes().first_chunk().is_some_and(|digits| doubly_encoded(*digits));
    if behind_percents.any(is_doubly) { Err(PathError::EncodedSeparator) } else { Ok(()) }
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    if !segment.starts_with('.') && !segment.contains('%') {
        return Ok(());
    }
    // Some servers read `%2F` and `%5C` as slashes, and `%3B` as the start of parameters.
    let parts = segment.split("%2F").flat_map(|part| part.split("%5C"));
    for part in parts {
        let name = part.split(';').next().and_then(|name| name.split("%3B").next()).unwrap_or(part);
        if name == "." || name == ".." {
            return Err(PathError::DotSegment);
        }
    }
    Ok(())
}

fn decode_unreserved(path: &str, strictness: Strictness) -> Result<Cow<'_, str>, PathError> {
    // Real clients leave some harmless bytes raw (`[`, `|`, `"`), and proxies pass them on.
    let is_harmless = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'?');
    let is_proxied = strictness == Strictness::Proxied;
    if !path.bytes().all(|byte| is_path_byte(byte) || (is_proxied && is_harmless(byte))) {
        return Err(PathError::Character);
    }
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, encoded) = rest.split_at(at);
        out.push_str(before);
        let byte = decoded_byte(encoded).ok_or(PathError::BrokenEncoding)?;
        let behind = encoded.get(3..).ok_or(PathError::BrokenEncoding)?;
        check_encoded(byte, strictness)?;
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(encoded.get(1..3).unwrap_or_default().chars().map(|digit| digit.to_ascii_uppercase()));
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn check_encoded(byte: u8, strictness: Strictness) -> Result<(), PathError> {
    let is_refused = match strictness {
        Strictness::Item => byte.is_ascii_control() || matches!(byte, b'/' | b'\\'),
        Strictness::ItemWithSlashes => byte.is_ascii_control(),
        Strictness::Proxied => byte == 0,
    };
    if is_refused { Err(PathError::EncodedSeparator) } else { Ok(()) }
}

fn doubly_encoded(digits: [u8; 2]) -> bool {
    matches!(&digits.map(|digit| digit.to_ascii_lowercase()), b"2e" | b"2f" | b"5c" | b"25" | b"00")
}

/// The first encoding in an item's path of a control character, or of a percent sign that begins another encoding. Refuses what
/// [`CanonicalPath::parse`] refuses, and says where it is.
pub(super) fn ambiguous_encoding(path: &str) -> Option<(usize, &str)> {
    path.match_indices('%').find_map(|(at, _)| {
        let encoded = path.get(at..)?;
        let byte = decoded_byte(encoded)?;
        let length = match byte {
            b'%' => 3 + doubly_encoded_length(encoded.get(3..)?)?,
            _ => byte.is_ascii_control().then_some(3)?,
        };
        Some((at, encoded.get(..length)?))
    })
}

/// How long the two digits behind an encoded percent sign are, if they make a double encoding. They may be encoded, too.
fn doubly_encoded_length(behind: &str) -> Option<usize> {
    let mut rest = behind;
    let mut digit = || {
        let encoded = decoded_byte(rest).filter(|_| rest.starts_with('%'));
        let (byte, length) = encoded.map_or((rest.bytes().next()?, 1), |byte| (byte, 3));
        rest = rest.get(length..)?;
        Some(byte)
    };
    let digits = [digit()?, digit()?];
    doubly_encoded(digits).then_some(behind.len() - rest.len())
}

/// Whether two hex digits are missing after a `%` of the text.
#[must_use]
pub fn has_broken_encoding(text: &str) -> bool {
    broken_encoding(text).is_some()
}

/// The first `%` of the text without two hex digits after it.
#[must_use]
pub(super) fn broken_encoding(text: &str) -> Option<usize> {
    let is_broken = |at: &usize| text.get(*at..).and_then(decoded_byte).is_none();
    text.match_indices('%').map(|(at, _)| at).find(is_broken)
}

fn decoded_byte(encoded: &str) -> Option<u8> {
    let digits = encoded.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §3.3: pchar, slash and percent.
const fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'!' | b'$'..=b';' | b'=' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(path: &str) -> Result<String, PathError> {
        CanonicalPath::parse(path, Strictness::Item).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn plain_paths_stay() {
        for path in ["/", "/orders/7", "/a;v=1/b,c", "/users('x')", "/~me/a-b_c.d", "/x/"] {
            assert_eq!(item(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn paths_are_compared_decoded() {
        let path = |text: &str| CanonicalPath::parse(text, Strictness::Proxied).unwrap();
        for (one, other) in [
            ("/od/$admin", "/od/%24admin"),
            ("/Users('root')", "/Users(%27root%27)"),
            ("/a@b:c+d;e,f=g&h!i*j", "/a%40b%3ac%2Bd%3be%2cf%3dg%26h%21i%2aj"),
            ("/a[0]", "/a%5B0%5d"),
        ] {
            assert_eq!(path(one), path(other));
            assert_eq!(
                path(other).as_str(),
                other
                    .replace("%3a", "%3A")
                    .replace("%3b", "%3B")
                    .replace("%2c", "%2C")
                    .replace("%3d", "%3D")
                    .replace("%2a", "%2A")
                    .replace("%5d", "%5D"),
                "sent as it was written"
            );
        }
        for (one, other) in
            [("/a/b", "/a%2Fb"), ("/a%5Cb", "/a/b"), ("/a%25", "/a"), ("/%20", "/"), ("/a%2524", "/a$")]
        {
            assert_ne!(path(one), path(other));
        }
        assert!(path("/od/%24batch/").differs_by_last_slash(&path("/od/$batch")));
    }

    #[test]
    fn needless_encodings_are_decoded() {
        assert_eq!(item("/%61dmin/%7e%c3%a4").as_deref(), Ok("/admin/~%C3%A4"));
        let written = CanonicalPath::parse("/%61dmin/%7e%c3%a4", Strictness::Item).unwrap();
        assert_eq!(written.as_written(), "/%61dmin/%7e%c3%a4");
        assert_eq!(item("/a%2ejpg").as_deref(), Ok("/a.jpg"));
        assert_eq!(item("/100%25%25/%2541%25").as_deref(), Ok("/100%25%25/%2541%25"));
    }

    #[test]
    fn paths_that_servers_read_differently_are_refused() {
        let table = [
            ("", PathError::NotAbsolute),
            ("orders", PathError::NotAbsolute),
            ("//evil.example/", PathError::NotAbsolute),
            ("/a//b", PathError::EmptySegment),
            ("/a/../b", PathError::DotSegment),
            ("/a/./b", PathError::DotSegment),
            ("/a/..", PathError::DotSegment),
            ("/a/%2e%2E/b", PathError::DotSegment),
            ("/a/.%2e/b", PathError::DotSegment),
            ("/a/..;x=1/b", PathError::DotSegment),
            ("/a%2fb", PathError::EncodedSeparator),
            ("/a%5Cb", PathError::EncodedSeparator),
            ("/a%00", PathError::EncodedSeparator),
            ("/a%0d%0ab", PathError::EncodedSeparator),
            ("/a/%252e%252e/b", PathError::EncodedSeparator),
            ("/a%252fb", PathError::EncodedSeparator),
            ("/a%252%66b", PathError::EncodedSeparator),
            ("/a%25%32%65/b", PathError::EncodedSeparator),
            ("/5%252%352e", PathError::EncodedSeparator),
            ("/a%", PathError::BrokenEncoding),
            ("/a%2", PathError::BrokenEncoding),
            ("/a%+1", PathError::BrokenEncoding),
            ("/a%2\u{e4}", PathError::Character),
            ("/a b", PathError::Character),
            ("/a\\b", PathError::Character),
            ("/a#b", PathError::Character),
            ("/\u{ff0f}admin", PathError::Character),
        ];
        for (path, error) in table {
            assert_eq!(item(path), Err(error), "{path}");
        }
    }

    #[test]
    fn proxied_paths_keep_their_data() {
        let proxied =
            |path| CanonicalPath::parse(path, Strictness::Proxied).map(|path| path.as_str().to_owned());
        assert_eq!(proxied("/group%2Fproject").as_deref(), Ok("/group%2Fproject"));
        assert_eq!(proxied("/a//b").as_deref(), Ok("/a//b"));
        assert_eq!(proxied("/a[1]|b").as_deref(), Ok("/a[1]|b"));
        assert_eq!(proxied("/a/%2e%2e/b"), Err(PathError::DotSegment));
    }

    #[test]
    fn encoded_slashes_are_for_routes_to_judge() {
        let parse = |path| CanonicalPath::parse(path, Strictness::ItemWithSlashes);
        for (path, read) in [("/a%2fb%5cc", "/a/b/c"), ("/a%2F%2F/b", "/a/b"), ("/%5C", "/")] {
            let read_as = parse(path).unwrap().other_readings().next().map(|reading| reading.path);
            assert_eq!(read_as.as_ref().map(CanonicalPath::as_str), Some(read), "{path}");
        }
        assert_eq!(parse("/a/b").unwrap().other_readings().next(), None);
        for (path, error) in [
            ("/a/%2e%2e%2fb", PathError::DotSegment),
            ("/a/..%5cb", PathError::DotSegment),
            ("/a%2f.%2fb", PathError::DotSegment),
            ("/a%252fb", PathError::EncodedSeparator),
            ("/a%00", PathError::EncodedSeparator),
            ("/a%0a", PathError::EncodedSeparator),
            ("/a//b", PathError::EmptySegment),
        ] {
            assert_eq!(parse(path), Err(error), "{path}");
        }
    }

    #[test]
    fn a_harmless_character_excuses_no_other() {
        for path in ["/[\\..\\b", "/|#", "/`\u{1}", "/\"\u{e4}", "/{?b", "/^ "] {
            assert_eq!(CanonicalPath::parse(path, Strictness::Proxied), Err(PathError::Character), "{path}");
        }
    }

    proptest! {
        #[test]
        fn twice_is_once(path in "/[a-z%2eEfF5cC./;~]{0,24}") {
            if let Ok(once) = item(&path) {
                prop_assert_eq!(item(&once), Ok(once.clone()));
                prop_assert!(!once.split('/').any(|segment| segment == ".."));
            }
        }
    }
}
