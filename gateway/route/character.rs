//! Characters of a url that could mean two things. A url is refused for them with their place, whether it is an item's or in its
//! `Destination` or `If`.
//!
//! In: a url as the client wrote it. Out: the first such character, if there is one. The url is not changed.

use super::canonical::{ambiguous_encoding, broken_encoding};
use super::encoding::encoded_separator;

/// Why a route refuses an encoded slash or backslash.
const ENCODED_SLASH: &str = "servers differ in what an encoded slash or backslash in a path is, and this route does not \
                             take it (encoded_slashes)";

/// A character, or the encoding of one, that can't be where it is in a url.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has `{text}` at character {position}: {problem}")]
pub struct UrlCharacter {
    /// The character, or its encoding.
    pub text: String,
    /// Where it is in the url as the client wrote it, in characters from 1.
    pub position: usize,
    /// Why it can't be there.
    pub problem: &'static str,
}

impl UrlCharacter {
    /// The text at a byte of the url.
    #[must_use]
    pub fn new(url: &str, at: usize, text: &str, problem: &'static str) -> Self {
        let position = url.get(..at).unwrap_or(url).chars().count() + 1;
        Self { text: text.to_owned(), position, problem }
    }
}

/// Refuses what could mean two things in an item's url. Its path and query are `target`, the end of the url.
///
/// # Errors
/// Names the character.
pub fn check_characters(url: &str, target: &str) -> Result<(), UrlCharacter> {
    let before = url.len().saturating_sub(target.len());
    let path = target.split('?').next().unwrap_or_default();
    if let Some(at) = broken_encoding(path) {
        let problem = "it begins no encoding of two hex digits; write `%25` for the character itself";
        return Err(UrlCharacter::new(url, before + at, "%", problem));
    }
    check_fragment(url, target)?;
    match ambiguous_encoding(path) {
        Some((at, text)) => {
            let problem = "a control character or a doubly encoded character can't be in a path, because servers differ in \
                           how they read it";
            Err(UrlCharacter::new(url, before + at, text, problem))
        }
        None => Ok(()),
    }
}

/// The first slash or backslash of the path that the client encoded, as a route refuses it that does not take one.
#[must_use]
pub fn separator(url: &str, target: &str) -> Option<UrlCharacter> {
    let before = url.len().saturating_sub(target.len());
    let (at, text) = encoded_separator(target.split('?').next().unwrap_or_default())?;
    Some(UrlCharacter::new(url, before + at, text, ENCODED_SLASH))
}

/// Refuses a fragment.
///
/// # Errors
/// Names its place.
pub(super) fn check_fragment(url: &str, target: &str) -> Result<(), UrlCharacter> {
    let before = url.len().saturating_sub(target.len());
    let problem = "a fragment is never sent; write `%23` for the character itself";
    target.find('#').map_or(Ok(()), |at| Err(UrlCharacter::new(url, before + at, "#", problem)))
}
