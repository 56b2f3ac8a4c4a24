//! Writes the results as the array that the dialect's clients read, in the order of the request.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};

use crate::batch::Dialect;
use crate::batch::{ItemResult, MultiStatus, ResultBody};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::problem::write_error;
use crate::format::json::problem_type;
use crate::format::json::strings::write as write_string;
use crate::format::media::{MediaType, TextTypes};
use crate::format::reason::phrase;
use crate::format::{base64, charset};
use crate::header::field::Fields;
use crate::header::names;

/// Writes the results, freeing each as soon as it is written.
pub(crate) fn write(results: MultiStatus, dialect: Dialect) -> Vec<Bytes> {
    let mut output = ChunkWriter::new(results.results.len().saturating_mul(256));
    output.put(b"[");
    for (index, result) in results.results.into_iter().enumerate() {
        if index > 0 {
            output.put(b",");
        }
        match dialect {
            Dialect::Tyk => write_unit(&mut output, result),
            Dialect::Batchgate | Dialect::Odata | Dialect::Graph | Dialect::Apisix => {
                write_response(&mut output, result);
            }
        }
    }
    output.put(b"]");
    output.finish()
}

/// APISIX: `{"status","reason","headers","body"}`.
fn write_response(output: &mut ChunkWriter, result: ItemResult) {
    output.put(b"{\"status\":");
    output.put_number(result.status.as_u16());
    output.put(b",\"reason\":");
    write_string(output, reason(&result));
    output.put(b",\"headers\":{");
    write_fields(output, &fields(&result, Dialect::Apisix), false);
    output.put(b"},\"body\":");
    write_body(output, result, Dialect::Apisix);
    output.put(b"}");
}

/// Tyk: `{"relative_url","code","headers":{"Name":["value"]},"body"}`.
fn write_unit(output: &mut ChunkWriter, result: ItemResult) {
    output.put(b"{\"relative_url\":");
    let subject = &result.subject;
    write_string(output, subject.form.written_url.as_deref().unwrap_or(&subject.href));
    output.put(b",\"code\":");
    output.put_number(result.status.as_u16());
    output.put(b",\"headers\":{");
    write_fields(output, &fields(&result, Dialect::Tyk), true);
    output.put(b"},\"body\":");
    write_body(output, result, Dialect::Tyk);
    output.put(b"}");
}

/// The words by which APISIX's clients know that there was no reply in time.
fn reason(result: &ItemResult) -> &'static str {
    match result.status {
        StatusCode::GATEWAY_TIMEOUT if result.gateway.is_some() => "upstream timeout",
        status => phrase(status),
    }
}

/// The result's fields; a problem has its own media type, whatever they say.
fn fields(result: &ItemResult, dialect: Dialect) -> Cow<'_, Fields> {
    if !matches!(result.body, ResultBody::Problem(_)) {
        return Cow::Borrowed(&result.headers);
    }
    let own = (CONTENT_TYPE, HeaderValue::from_static(problem_type(dialect)));
    let others = result.headers.iter().filter(|(name, _)| name != CONTENT_TYPE).cloned();
    Cow::Owned(std::iter::once(own).chain(others).collect())
}

/// A list for a field that stands several times, or with `always_lists` for each.
fn write_fields(output: &mut ChunkWriter, fields: &Fields, always_lists: bool) {
    let mut separator: &[u8] = b"\"";
    for (index, (name, _)) in fields.iter().enumerate() {
        if fields.iter().take(index).any(|(earlier, _)| earlier == name) {
            continue;
        }
        output.put(separator);
        separator = b",\"";
        names::write(name.as_str(), |piece| output.put(piece));
        output.put(b"\":");
        write_values(output, &values(fields, name), always_lists);
    }
}

fn values<'a>(fields: &'a Fields, name: &HeaderName) -> Vec<Cow<'a, str>> {
    let text = |value: &'a HeaderValue| match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        // What is no UTF-8 was ISO-8859-1 once (RFC 9110 §5.5); each byte is a character.
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    };
    fields.iter().filter(|(other, _)| other == name).map(|(_, value)| text(value)).collect()
}

fn write_values(output: &mut ChunkWriter, values: &[Cow<'_, str>], always_list: bool) {
    if let ([only], false) = (values, always_list) {
        return write_string(output, only);
    }
    let mut separator: &[u8] = b"[";
    for value in values {
        output.put(separator);
        separator = b",";
        write_string(output, value);
    }
    output.put(b"]");
}

/// A string in any case; what is no text is base64, and says so in a member of its own.
fn write_body(output: &mut ChunkWriter, result: ItemResult, dialect: Dialect) {
    let bytes = match result.body {
        ResultBody::Absent => Bytes::new(),
        ResultBody::Bytes(bytes) => bytes,
        ResultBody::Problem(problem) => {
            let mut document = ChunkWriter::new(256 + problem.detail.len());
            write_error(&mut document, &problem, dialect);
            let document = document.finish().concat();
            return write_string(output, &String::from_utf8_lossy(&document));
        }
    };
    if let Some(text) = text(&bytes, MediaType::of(&result.headers)) {
        return write_string(output, &text);
    }
    output.put(b"\"");
    base64::write(output, &bytes);
    output.put(b"\",\"encoding\":\"base64\"");
}

/// The body as text: in its charset where it has one, in UTF-8 where it can be that.
fn text<'a>(bytes: &'a Bytes, media: Option<MediaType<'_>>) -> Option<Cow<'a, str>> {
    match media.filter(|media| media.kind.is_text(TextTypes::All)) {
        Some(media) => charset::decode(media.charset, bytes),
        None => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}
