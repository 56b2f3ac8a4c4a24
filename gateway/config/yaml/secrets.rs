//! Texts that may be secret, by how they look alone: what no message may quote.
//!
//! [`masked`] takes them out of a value that a message is about to quote, and [`without`] takes known secrets out of a
//! sentence. Which keys of the configuration hold secrets is not known here; see `masking.rs`.

use std::ops::Range;

/// Shown in place of a part that must not be shown.
pub(in crate::config) const STARS: &str = "***";

/// A text shorter than this is not worth hiding in a sentence, which may contain it by chance.
const SHORTEST: usize = 5;

/// A reference to a variable ends within this many characters.
const LONGEST: usize = 512;

/// Whether the name of a key or of a variable says that its value is a secret.
pub(in crate::config) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    ["passw", "pwd", "secret", "token", "authorization", "cookie", "api-key", "apikey"]
        .iter()
        .any(|part| name.contains(part))
        && !name.contains("file")
}

/// A value as a message may show it.
pub(in crate::config) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    for secret in in_words(text) {
        shown.push_str(text.get(rest..secret.start).unwrap_or_default());
        shown.push_str(STARS);
        rest = secret.end;
    }
    shown.push_str(text.get(rest..).unwrap_or_default());
    shown
}

/// A sentence without these texts. It may quote one of them.
pub(in crate::config) fn without<'text>(
    sentence: &str,
    secrets: impl IntoIterator<Item = &'text str>,
) -> String {
    let quotes = ['"', '\'', ' '];
    let secrets = secrets.into_iter().map(|secret| secret.trim_matches(quotes));
    let telling = secrets.filter(|secret| secret.len() >= SHORTEST);
    telling.fold(sentence.to_owned(), |sentence, secret| {
        if sentence.contains(secret) { sentence.replace(secret, STARS) } else { sentence }
    })
}

/// The bytes of a file's text that may be secret, whatever the file's structure is.
pub(in crate::config) fn in_words(text: &str) -> Vec<Range<usize>> {
    let is_end = |character: char| character.is_whitespace() || "\"'`,[]{}".contains(character);
    let mut secrets = Vec::new();
    let mut start = 0;
    for word in text.split(is_end) {
        secrets.extend(in_word(word).into_iter().map(|range| start + range.start..start + range.end));
        start += word.len();
        start += text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    secrets.extend(in_defaults(text));
    secrets.sort_unstable_by_key(|range| range.start);
    secrets.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    secrets
}

/// The user of a url, before its `@`, and its query.
fn in_word(word: &str) -> Vec<Range<usize>> {
    let host = word.find("://").map(|at| at + "://".len());
    let query = word.find('?').filter(|at| word.get(at + 1..).is_some_and(|query| query.contains('=')));
    let mut secrets = Vec::new();
    if let Some(at) = word.rfind('@') {
        let start =
            host.unwrap_or_else(|| word.get(..at).and_then(|user| user.rfind('/')).map_or(0, |at| at + 1));
        let user = word.get(start..at).unwrap_or_default();
        let has_password = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
        if !user.is_empty() && (host.is_some() || has_password) {
            secrets.push(start..at);
        }
    }
    if let Some(query) = query {
        secrets.push(query + 1..word.len());
    }
    secrets
}

/// The defaults of variables whose names say that they are secret.
fn in_defaults(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.match_indices("${").filter_map(|(start, _)| {
        let end = text.get(start..)?.char_indices().take(LONGEST).find(|(_, character)| *character == '}')?.0;
        let reference = text.get(start..start + end)?;
        let (name, _) = reference.split_once(":-").filter(|(name, _)| names_a_secret(name))?;
        Some(start + name.len() + ":-".len()..start + reference.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_messages_have_no_secrets() {
        for (text, shown) in [
            ("http://10.0.0.1:9001", "http://10.0.0.1:9001"),
            ("http://user:hunter2@h:80", "http://***@h:80"),
            ("http://hunter2@h", "http://***@h"),
            ("http://user:hun/ter2@h", "http://***@h"),
            ("http://u:a@b:hunter2@h", "http://***@h"),
            ("user:hunter2@h", "***@h"),
            ("/users/@me", "/users/@me"),
            ("unix:@orders", "unix:@orders"),
            ("unix:/run/user:hunter2@h", "unix:/run/***@h"),
            ("/~user@x", "/~user@x"),
            ("http://h/a?key=hunter2", "http://h/a?***"),
            ("http://u:hunter2@h/?k=hunter2", "http://***@h/?***"),
            ("why?", "why?"),
            ("x http://é:hunter2@h ä", "x http://***@h ä"),
            ("${DB_PASSWORD:-hunter2}", "${DB_PASSWORD:-***}"),
            ("${PORT:-8080}", "${PORT:-8080}"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn a_sentence_loses_its_secrets() {
        assert_eq!(without("unknown key `Basic hunter2`", ["\"Basic hunter2\""]), "unknown key `***`");
        assert_eq!(without("write `a`", ["a"]), "write `a`");
    }
}
