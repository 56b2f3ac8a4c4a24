//! One item's result in the gateway's multistatus: `b:item` with its headers and its body, which
//! is text or base64 and never elements, for clients search for `DAV:` elements at any depth.

use http::header::CONTENT_TYPE;

use super::chars::find_illegal;
use super::escape::{write_attribute, write_text};
use super::problem;
use crate::batch::{ItemResult, Problem, ResultBody};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::media::{MediaKind, MediaType, TextTypes};
use crate::format::{base64, charset};
use crate::header::field::{Fields, value_text};
use crate::header::spelling::Spellings;

/// The media type of problems within an XML reply.
const PROBLEM_TYPE: &str = "application/problem+xml";

/// Writes the element.
pub(super) fn write(output: &mut ChunkWriter, result: ItemResult) {
    output.put(b"<b:item id=\"");
    write_attribute(output, result.subject.id.as_str());
    output.put(b"\" status=\"");
    output.put_number(result.status.as_u16());
    if let Some(made) = result.gateway {
        output.put(b"\" outcome=\"");
        output.put(made.outcome.as_str().as_bytes());
    }
    output.put(if result.retryable { b"\" retryable=\"true\">".as_slice() } else { b"\">" });
    match result.body {
        ResultBody::Absent => write_headers(output, &result.headers, &result.spellings),
        ResultBody::Bytes(bytes) => {
            write_headers(output, &result.headers, &result.spellings);
            write_body(output, &bytes, &result.headers);
        }
        ResultBody::Problem(problem) => write_problem(output, &problem, result.headers),
    }
    output.put(b"</b:item>");
}

fn write_headers(output: &mut ChunkWriter, fields: &Fields, spellings: &Spellings) {
    for (name, value) in fields {
        output.put(b"<b:header name=\"");
        spellings.write(name, |piece| output.put(piece));
        output.put(b"\">");
        write_text(output, &value_text(value));
        output.put(b"</b:header>");
    }
}

fn write_problem(output: &mut ChunkWriter, problem: &Problem, mut fields: Fields) {
    fields.retain(|(name, _)| name != CONTENT_TYPE);
    output.put(b"<b:header name=\"Content-Type\">");
    output.put(PROBLEM_TYPE.as_bytes());
    output.put(b"</b:header>");
    write_headers(output, &fields, &Spellings::default());
    output.put(b"<b:body type=\"");
    output.put(PROBLEM_TYPE.as_bytes());
    output.put(b"\">");
    let mut document = ChunkWriter::new(256 + problem.detail.len());
    problem::write_element(&mut document, problem);
    // Made of strings and ASCII, so that nothing is lost.
    write_text(output, &String::from_utf8_lossy(&document.finish().concat()));
    output.put(b"</b:body>");
}

fn write_body(output: &mut ChunkWriter, bytes: &[u8], fields: &Fields) {
    let media = MediaType::from_fields(fields);
    let text = match media {
        Some(media) if media.kind == MediaKind::Json => charset::decode(None, bytes),
        Some(media) if media.kind.is_text(TextTypes::All) => charset::decode(media.charset, bytes),
        Some(_) | None => None,
    };
    output.put(b"<b:body");
    let media_type =
        fields.iter().find(|(name, _)| name == CONTENT_TYPE).and_then(|(_, value)| value.to_str().ok());
    if let Some(media_type) = media_type {
        output.put(b" type=\"");
        write_attribute(output, media_type);
        output.put(b"\"");
    }
    if let Some(text) = text.filter(|text| find_illegal(text).is_none()) {
        output.put(b">");
        write_text(output, &text);
    } else {
        output.put(b" encoding=\"base64\">");
        base64::write(output, bytes);
    }
    output.put(b"</b:body>");
}
