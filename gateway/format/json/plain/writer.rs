//! Writes the results as an array, in the order of the request, and what dialects of plain items share in one result: its
//! fields and its body.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName};

use crate::batch::{ItemResult, ResultBody};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::error_form::ErrorForm;
use crate::format::json::strings::write as write_string;
use crate::format::media::{MediaType, TextTypes};
use crate::format::result_writer::{ReplyEnd, ResultWriter};
use crate::format::{base64, charset};
use crate::header::field::Fields;

/// Writes a reply that is an array.
pub(crate) struct PlainWriter {
    output: ChunkWriter,
    /// Writes one result in the dialect's way.
    write_result: fn(&mut ChunkWriter, ItemResult),
    /// Written before the next result.
    separator: &'static [u8],
}

impl PlainWriter {
    /// An empty reply.
    pub(crate) fn new(write_result: fn(&mut ChunkWriter, ItemResult)) -> Self {
        Self { output: ChunkWriter::new(0), write_result, separator: b"" }
    }
}

impl ResultWriter for PlainWriter {
    fn content_type(&self) -> Cow<'static, str> {
        "application/json".into()
    }

    fn begin(&mut self, expected: usize) {
        self.output = ChunkWriter::new(expected);
        self.output.put(b"[");
    }

    fn put(&mut self, result: ItemResult) {
        self.output.put(self.separator);
        self.separator = b",";
        (self.write_result)(&mut self.output, result);
    }

    fn end(&mut self, _end: &ReplyEnd<'_>) {
        self.output.put(b"]");
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.output.take()
    }
}

/// Whether a field with one value is a list, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// A field with several values is a list.
    OfSeveral,
    /// Every field is a list.
    Always,
}

/// The result's fields; a problem has its own media type, whatever they say.
fn fields(result: &ItemResult, error: ErrorForm) -> Cow<'_, Fields> {
    if !matches!(result.body, ResultBody::Problem(_)) {
        return Cow::Borrowed(&result.headers);
    }
    let own = (CONTENT_TYPE, HeaderValue::from_static(error.media_type));
    let others = result.headers.iter().filter(|(name, _)| name != CONTENT_TYPE).cloned();
    Cow::Owned(std::iter::once(own).chain(others).collect())
}

/// Writes the members of a result's `headers`.
pub(crate) fn write_fields(output: &mut ChunkWriter, result: &ItemResult, error: ErrorForm, lists: Lists) {
    let fields = fields(result, error);
    let mut separator: &[u8] = b"\"";
    for (index, (name, _)) in fields.iter().enumerate() {
        if fields.iter().take(index).any(|(earlier, _)| earlier == name) {
            continue;
        }
        output.put(separator);
        separator = b",\"";
        result.spellings.write_in_json(name, |piece| output.put(piece));
        output.put(b"\":");
        write_values(output, &values(&fields, name), lists);
    }
}

fn values<'a>(fields: &'a Fields, name: &HeaderName) -> Vec<Cow<'a, str>> {
    let text = |value: &'a HeaderValue| match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        // Values that are not UTF-8 are ISO-8859-1 (RFC 9110 §5.5): each byte is a character.
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    };
    fields.iter().filter(|(other, _)| other == name).map(|(_, value)| text(value)).collect()
}

fn write_values(output: &mut ChunkWriter, values: &[Cow<'_, str>], lists: Lists) {
    if let ([only], Lists::OfSeveral) = (values, lists) {
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

/// Writes the body as a string. A body that is not text is base64, which a member of its own says.
pub(crate) fn write_body(output: &mut ChunkWriter, result: ItemResult, error: ErrorForm) {
    let bytes = match result.body {
        ResultBody::Absent => Bytes::new(),
        ResultBody::Bytes(bytes) => bytes,
        ResultBody::Problem(problem) => {
            let mut document = ChunkWriter::new(256 + problem.detail.len());
            (error.write)(&mut document, &problem);
            let document = document.finish().concat();
            return write_string(output, &String::from_utf8_lossy(&document));
        }
    };
    if let Some(text) = text(&bytes, MediaType::from_fields(&result.headers)) {
        return write_string(output, &text);
    }
    output.put(b"\"");
    base64::write(output, &bytes);
    output.put(b"\",\"encoding\":\"base64\"");
}

/// The body as text: in its charset if it has one, else in UTF-8.
fn text<'a>(bytes: &'a Bytes, media: Option<MediaType<'_>>) -> Option<Cow<'a, str>> {
    match media.filter(|media| media.kind.is_text(TextTypes::All)) {
        Some(media) => charset::decode(media.charset, bytes),
        None => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}
