//! Parts of requests as command lines have them: header fields, and media types by the name of a file.

use std::path::Path;

use http::header::{HeaderName, HeaderValue};

/// Media types by file extension.
const EXTENSIONS: [(&str, &str); 6] = [
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("ndjson", "application/x-ndjson"),
    ("jsonl", "application/x-ndjson"),
    ("csv", "text/csv"),
    ("txt", "text/plain"),
];

/// The media type that a file's name says.
pub(super) fn type_by_ending(file: &Path) -> Option<&'static str> {
    let ending = file.extension()?.to_str()?;
    EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, media_type)| *media_type)
}

/// A header field as it is written on a command line.
pub(super) fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
}
