//! Writes the results of a batch as JSON (protocol §4.1; OData JSON Format 4.01 §19.3).
//!
//! Invariants: a body that is JSON is written as it came, never re-serialised; whatever the body,
//! the document is well-formed; a client can always get the body's exact bytes back, save for text
//! in another charset than UTF-8, which it gets as characters.

use bytes::Bytes;
use http::HeaderName;
use http::header::{CONTENT_TYPE, SET_COOKIE};

use super::lexer::is_value;
use super::problem;
use super::strings::{write as write_string, write_content};
use crate::format::media::{MediaKind, MediaType};
use crate::format::rope::{Rope, copied_length};
use crate::format::{Fields, ItemResult, MultiStatus, ResultBody, base64, charset, field_names};

/// Deepest JSON body that is embedded as JSON. Readers have limits, too, and one body over them
/// would cost the client the whole reply; deeper ones are base64.
const MAX_EMBEDDED_DEPTH: usize = 96;

/// Bytes that an item takes beside its header values and body, roughly.
const ITEM_OVERHEAD: usize = 96;

/// Writes the results, freeing each as soon as it is written.
pub(in crate::format) fn write(results: MultiStatus) -> Vec<Bytes> {
    let summary = results.summary();
    let mut rope = Rope::new(results.results.iter().map(expected_length).sum());
    rope.put(b"{\"responses\":[");
    for (index, result) in results.results.into_iter().enumerate() {
        if index > 0 {
            rope.put(b",");
        }
        write_item(&mut rope, result);
    }
    rope.put(b"],\"summary\":{\"items\":");
    rope.put_number(summary.items);
    rope.put(b",\"failed\":");
    rope.put_number(summary.failed);
    rope.put(b"}}");
    rope.finish()
}

fn expected_length(result: &ItemResult) -> usize {
    let fields: usize =
        result.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 6).sum();
    let body = match &result.body {
        ResultBody::Absent => 0,
        ResultBody::Bytes(bytes) => copied_length(bytes),
        ResultBody::Problem(problem) => problem.detail.len() + 160,
    };
    ITEM_OVERHEAD + result.subject.id.as_str().len() + fields + body
}

fn write_item(rope: &mut Rope, result: ItemResult) {
    rope.put(b"{\"id\":");
    write_string(rope, result.subject.id.as_str());
    rope.put(b",\"status\":");
    rope.put_number(result.status.as_u16());
    rope.put(b",\"headers\":{");
    let own_media_type = matches!(result.body, ResultBody::Problem(_));
    write_fields(rope, &result.headers, own_media_type);
    rope.put(b"}");
    let encoded = match result.body {
        ResultBody::Absent => false,
        ResultBody::Bytes(bytes) => {
            rope.put(b",\"body\":");
            write_body(rope, bytes, MediaType::of(&result.headers))
        }
        ResultBody::Problem(problem) => {
            rope.put(b",\"body\":");
            problem::write(rope, &problem);
            false
        }
    };
    if let Some(made) = result.gateway {
        rope.put(b",\"outcome\":\"");
        rope.put(made.outcome.as_str().as_bytes());
        rope.put(b"\"");
    }
    if result.retryable {
        rope.put(b",\"retryable\":true");
    }
    rope.put(if encoded { b",\"encoding\":\"base64\"}".as_slice() } else { b"}" });
}

/// The members of `headers`. A problem has its own media type, whatever the fields say.
fn write_fields(rope: &mut Rope, fields: &Fields, is_problem: bool) {
    let mut separator: &[u8] = b"\"";
    if is_problem {
        rope.put(b"\"Content-Type\":\"application/problem+json\"");
        separator = b",\"";
    }
    for (index, (name, _)) in fields.iter().enumerate() {
        let written_before = fields.iter().take(index).any(|(earlier, _)| earlier == name);
        if written_before || (is_problem && name == CONTENT_TYPE) {
            continue;
        }
        rope.put(separator);
        separator = b",\"";
        field_names::write(rope, name.as_str());
        rope.put(b"\":");
        write_values(rope, fields, name);
    }
}

/// All values of a field: joined, but for Set-Cookie, whose values have commas in them
/// (RFC 9110 §5.3).
fn write_values(rope: &mut Rope, fields: &Fields, name: &HeaderName) {
    let values = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_bytes());
    let as_list = name == SET_COOKIE && values.clone().count() > 1;
    let separator: &[u8] = if as_list { b"\",\"" } else { b", " };
    rope.put(if as_list { b"[\"" } else { b"\"" });
    for (index, value) in values.enumerate() {
        if index > 0 {
            rope.put(separator);
        }
        match std::str::from_utf8(value) {
            Ok(text) => write_content(rope, text),
            // What is no UTF-8 was ISO-8859-1 once (RFC 9110 §5.5); each byte is a character.
            Err(_) => write_content(rope, &value.iter().copied().map(char::from).collect::<String>()),
        }
    }
    rope.put(if as_list { b"\"]" } else { b"\"" });
}

/// Writes an upstream's body. Whether it is in base64.
fn write_body(rope: &mut Rope, bytes: Bytes, media: Option<MediaType<'_>>) -> bool {
    match media.map_or(MediaKind::Binary, |media| media.kind) {
        MediaKind::Json => {
            let value = without_byte_order_mark(bytes);
            if is_value(&value, MAX_EMBEDDED_DEPTH) {
                rope.put_shared(value);
                return false;
            }
            write_base64(rope, &value)
        }
        MediaKind::Xml | MediaKind::Text | MediaKind::TextInReplies => {
            match charset::decode(media.and_then(|media| media.charset), &bytes) {
                Some(text) => {
                    write_string(rope, &text);
                    false
                }
                None => write_base64(rope, &bytes),
            }
        }
        MediaKind::Binary => write_base64(rope, &bytes),
    }
}

fn write_base64(rope: &mut Rope, bytes: &[u8]) -> bool {
    rope.put(b"\"");
    base64::write(rope, bytes);
    rope.put(b"\"");
    true
}

/// Some servers put a mark before their JSON, which RFC 8259 §8.1 lets readers ignore; in the
/// midst of a document it would be an error.
fn without_byte_order_mark(bytes: Bytes) -> Bytes {
    if bytes.starts_with(b"\xef\xbb\xbf") { bytes.slice(3..) } else { bytes }
}
