//! Writes the results of a batch as multipart/mixed (protocol §4.3), as its least tolerant reader needs
//! it: CRLF, a reason phrase, at least one field, a boundary that is bare and has no `=` in it.
//!
//! The boundary is random, 128 bits, and no upstream gets to know it: none can have written it
//! into a body, and a match by chance is out of reach. So bodies are not searched for
//! it, and large ones are not even read. Every part also states its body's length.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, StatusCode};

use crate::batch::{IdForm, ItemResult, ResultBody, Subject};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::ErrorForm;
use crate::format::reason::phrase;
use crate::format::result_writer::{ReplyEnd, ResultWriter, expected_length};
use crate::header::field::Fields;
use crate::header::spelling::Spellings;

/// Bytes of a part in addition to its field values and body, roughly.
const PART_OVERHEAD: usize = 224;

/// The start of the boundaries, before the random part. Neither boundary contains the other.
const BATCH_PREFIX: &str = "batchresponse_";
const SET_PREFIX: &str = "changesetresponse_";

/// Which results of change sets are written as sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// All of them.
    All,
    /// Those that succeeded; a set that failed is answered by its error alone.
    Succeeded,
}

/// Writes a reply in multipart.
#[derive(Debug)]
pub(crate) struct MultipartWriter {
    output: ChunkWriter,
    /// The random part of the boundaries.
    random: String,
    sets: Sets,
    error: ErrorForm,
}

impl MultipartWriter {
    /// An empty reply, with boundaries that are still secret.
    pub(crate) fn new(sets: Sets, error: ErrorForm) -> Self {
        let random = format!("{:032x}", rand::random::<u128>());
        Self { output: ChunkWriter::new(0), random, sets, error }
    }

    fn is_set(&self, result: &ItemResult) -> bool {
        let is_written = match self.sets {
            Sets::All => true,
            Sets::Succeeded => !result.is_failed(),
        };
        result.subject.form.in_set && is_written
    }
}

impl ResultWriter for MultipartWriter {
    fn content_type(&self) -> Cow<'static, str> {
        format!("multipart/mixed; boundary={BATCH_PREFIX}{}", self.random).into()
    }

    fn expected_length(&self, result: &ItemResult) -> usize {
        let set = if result.subject.form.in_set { PART_OVERHEAD } else { 0 };
        set + expected_length(result, PART_OVERHEAD, 4)
    }

    fn begin(&mut self, expected: usize) {
        self.output = ChunkWriter::new(expected);
    }

    fn put(&mut self, result: ItemResult) {
        let is_set = self.is_set(&result);
        let (output, random) = (&mut self.output, self.random.as_str());
        put_delimiter(output, BATCH_PREFIX, random, "\r\n");
        if is_set {
            put_all(output, &["Content-Type: multipart/mixed; boundary=", SET_PREFIX, random, "\r\n\r\n"]);
            put_delimiter(output, SET_PREFIX, random, "\r\n");
        }
        write_part(output, result, self.error);
        if is_set {
            put_delimiter(output, SET_PREFIX, random, "--\r\n");
        }
    }

    fn end(&mut self, _end: &ReplyEnd<'_>) {
        put_delimiter(&mut self.output, BATCH_PREFIX, &self.random, "--\r\n");
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.output.take()
    }
}

fn put_all(output: &mut ChunkWriter, texts: &[&str]) {
    for text in texts {
        output.put(text.as_bytes());
    }
}

fn put_delimiter(output: &mut ChunkWriter, prefix: &str, random: &str, end: &str) {
    put_all(output, &["--", prefix, random, end]);
}

/// The part's own fields, and the response message in it. Ends with a line break.
fn write_part(output: &mut ChunkWriter, mut result: ItemResult, error: ErrorForm) {
    output.put(b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    write_id(output, &result.subject);
    output.put(b"\r\nHTTP/1.1 ");
    output.put_number(result.status.as_u16());
    put_all(output, &[" ", phrase(result.status), "\r\n"]);
    let length = length_elsewhere(&result);
    let body = match result.body {
        ResultBody::Absent => Bytes::new(),
        ResultBody::Bytes(bytes) => bytes,
        ResultBody::Problem(problem) => {
            result.headers.retain(|(name, _)| name != CONTENT_TYPE);
            put_all(output, &["Content-Type: ", error.media_type, "\r\n"]);
            let mut document = ChunkWriter::new(256 + problem.detail.len());
            (error.write)(&mut document, &problem);
            document.finish().concat().into()
        }
    };
    write_fields(output, &result.headers, &result.spellings);
    output.put(b"Content-Length: ");
    output.put_number(length.unwrap_or(body.len() as u64));
    output.put(b"\r\n\r\n");
    output.put_shared(body);
    output.put(b"\r\n");
}

/// As the client wrote it; Google's form is answered in Google's way.
fn write_id(output: &mut ChunkWriter, subject: &Subject) {
    let id = subject.id.as_str();
    match subject.form.id {
        IdForm::Position => {}
        IdForm::Plain | IdForm::Number => put_all(output, &["Content-ID: ", id, "\r\n"]),
        IdForm::Bracketed => put_all(output, &["Content-ID: <response-", id, ">\r\n"]),
    }
}

/// The length of a body that is not sent here: what a GET would have had (RFC 9110 §8.6).
fn length_elsewhere(result: &ItemResult) -> Option<u64> {
    let tells = result.subject.method == Method::HEAD || result.status == StatusCode::NOT_MODIFIED;
    let is_absent = matches!(result.body, ResultBody::Absent);
    let (_, value) = result.headers.iter().find(|(name, _)| name == CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok().filter(|_| tells && is_absent)
}

fn write_fields(output: &mut ChunkWriter, fields: &Fields, spellings: &Spellings) {
    for (name, value) in fields {
        if name == CONTENT_LENGTH {
            continue;
        }
        spellings.write(name, |piece| output.put(piece));
        output.put(b": ");
        output.put(value.as_bytes());
        output.put(b"\r\n");
    }
}
