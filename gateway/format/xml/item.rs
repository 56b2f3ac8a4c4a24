//! One item's result in the gateway's multistatus: `b:item` with its headers and its body, which
//! is text or base64 and never elements, for clients search for `DAV:` elements at any depth.

use http::header::CONTENT_TYPE;

use super::chars::find_illegal;
use super::escape::{write_attribute, write_text};
use super::problem;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::media::{MediaKind, MediaType, TextTypes};
use crate::format::{Fields, ItemResult, Problem, ResultBody, base64, charset};
use crate::header::names;

/// The media type of problems within an XML reply.
const PROBLEM_TYPE: &str = "application/problem+xml";

/// Writes the element.
pub(super) fn write(rope: &mut ChunkWriter, result: ItemResult) {
    rope.put(b"<b:item id=\"");
    write_attribute(rope, result.subject.id.as_str());
    rope.put(b"\" status=\"");
    rope.put_number(result.status.as_u16());
    if let Some(made) = result.gateway {
        rope.put(b"\" outcome=\"");
        rope.put(made.outcome.as_str().as_bytes());
    }
    rope.put(if result.retryable { b"\" retryable=\"true\">".as_slice() } else { b"\">" });
    match result.body {
        ResultBody::Absent => write_headers(rope, &result.headers),
        ResultBody::Bytes(bytes) => {
            write_headers(rope, &result.headers);
            write_body(rope, &bytes, &result.headers);
        }
        ResultBody::Problem(problem) => write_problem(rope, &problem, result.headers),
    }
    rope.put(b"</b:item>");
}

fn write_headers(rope: &mut ChunkWriter, fields: &Fields) {
    for (name, value) in fields {
        rope.put(b"<b:header name=\"");
        names::write(rope, name.as_str());
        rope.put(b"\">");
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => write_text(rope, text),
            // What is no UTF-8 was ISO-8859-1 once (RFC 9110 §5.5); each byte is a character.
            Err(_) => write_text(rope, &value.as_bytes().iter().copied().map(char::from).collect::<String>()),
        }
        rope.put(b"</b:header>");
    }
}

fn write_problem(rope: &mut ChunkWriter, problem: &Problem, mut fields: Fields) {
    fields.retain(|(name, _)| name != CONTENT_TYPE);
    rope.put(b"<b:header name=\"Content-Type\">");
    rope.put(PROBLEM_TYPE.as_bytes());
    rope.put(b"</b:header>");
    write_headers(rope, &fields);
    rope.put(b"<b:body type=\"");
    rope.put(PROBLEM_TYPE.as_bytes());
    rope.put(b"\">");
    let mut document = ChunkWriter::new(256 + problem.detail.len());
    problem::write_element(&mut document, problem);
    // Made of strings and ASCII, so that nothing is lost.
    write_text(rope, &String::from_utf8_lossy(&document.finish().concat()));
    rope.put(b"</b:body>");
}

fn write_body(rope: &mut ChunkWriter, bytes: &[u8], fields: &Fields) {
    let media = MediaType::of(fields);
    let text = match media {
        Some(media) if media.kind == MediaKind::Json => charset::decode(None, bytes),
        Some(media) if media.kind.is_text(TextTypes::All) => charset::decode(media.charset, bytes),
        Some(_) | None => None,
    };
    rope.put(b"<b:body");
    let media_type =
        fields.iter().find(|(name, _)| name == CONTENT_TYPE).and_then(|(_, value)| value.to_str().ok());
    if let Some(media_type) = media_type {
        rope.put(b" type=\"");
        write_attribute(rope, media_type);
        rope.put(b"\"");
    }
    if let Some(text) = text.filter(|text| find_illegal(text).is_none()) {
        rope.put(b">");
        write_text(rope, &text);
    } else {
        rope.put(b" encoding=\"base64\">");
        base64::write(rope, bytes);
    }
    rope.put(b"</b:body>");
}
