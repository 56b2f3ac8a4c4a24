//! Writes the results of a batch as multipart/mixed (protocol §4.3), as the least of its readers needs
//! it: CRLF, a reason phrase, at least one field, a boundary that is bare and has no `=` in it.
//!
//! The boundary is random, 128 bits, and made when every reply is in: no upstream can have written it
//! into a body, and to meet it by chance takes longer than anyone has. So bodies are not searched for
//! it, and large ones not even touched. Every part says its body's length besides.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, StatusCode};

use crate::batch::{Dialect, IdForm, ItemResult, MultiStatus, ResultBody, Subject};
use crate::format::chunk_writer::{ChunkWriter, copied_length};
use crate::format::reason::phrase;
use crate::format::{EncodedBody, json};
use crate::header::field::Fields;
use crate::header::names;

/// Bytes that a part takes beside its field values and body, roughly.
const PART_OVERHEAD: usize = 224;

/// What stands before the random part of the boundaries; neither boundary has the other in it.
const BATCH_PREFIX: &str = "batchresponse_";
const SET_PREFIX: &str = "changesetresponse_";

/// Writes the results, freeing each as soon as it is written.
pub(crate) fn write(results: MultiStatus, dialect: Dialect) -> EncodedBody {
    let random = format!("{:032x}", rand::random::<u128>());
    let mut output = ChunkWriter::new(results.results.iter().map(expected_length).sum());
    for result in results.results {
        put_delimiter(&mut output, BATCH_PREFIX, &random, "\r\n");
        if is_set(&result, dialect) {
            put_all(
                &mut output,
                &["Content-Type: multipart/mixed; boundary=", SET_PREFIX, &random, "\r\n\r\n"],
            );
            put_delimiter(&mut output, SET_PREFIX, &random, "\r\n");
            write_part(&mut output, result, dialect);
            put_delimiter(&mut output, SET_PREFIX, &random, "--\r\n");
        } else {
            write_part(&mut output, result, dialect);
        }
    }
    put_delimiter(&mut output, BATCH_PREFIX, &random, "--\r\n");
    let content_type = format!("multipart/mixed; boundary={BATCH_PREFIX}{random}");
    EncodedBody { content_type: content_type.into(), chunks: output.finish() }
}

/// Whether a result is answered as the one response of a change set. In OData a set that failed is
/// answered by its error alone (Protocol 4.01 §11.7.7.5).
fn is_set(result: &ItemResult, dialect: Dialect) -> bool {
    result.subject.form.in_set && !(dialect == Dialect::Odata && result.is_failed())
}

fn put_all(output: &mut ChunkWriter, texts: &[&str]) {
    for text in texts {
        output.put(text.as_bytes());
    }
}

fn put_delimiter(output: &mut ChunkWriter, prefix: &str, random: &str, end: &str) {
    put_all(output, &["--", prefix, random, end]);
}

fn expected_length(result: &ItemResult) -> usize {
    let fields: usize =
        result.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let body = match &result.body {
        ResultBody::Absent => 0,
        ResultBody::Bytes(bytes) => copied_length(bytes),
        ResultBody::Problem(problem) => problem.detail.len() + 160,
    };
    let set = if result.subject.form.in_set { PART_OVERHEAD } else { 0 };
    PART_OVERHEAD + set + result.subject.id.as_str().len() + fields + body
}

/// The part's own fields, and the response message in it. Ends with a line break.
fn write_part(output: &mut ChunkWriter, result: ItemResult, dialect: Dialect) {
    output.put(b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    write_id(output, &result.subject);
    output.put(b"\r\nHTTP/1.1 ");
    output.put_number(result.status.as_u16());
    put_all(output, &[" ", phrase(result.status), "\r\n"]);
    let is_problem = matches!(result.body, ResultBody::Problem(_));
    let length = length_elsewhere(&result);
    let body = match result.body {
        ResultBody::Absent => Bytes::new(),
        ResultBody::Bytes(bytes) => bytes,
        ResultBody::Problem(problem) => {
            put_all(output, &["Content-Type: ", json::problem_type(dialect), "\r\n"]);
            let mut document = ChunkWriter::new(256 + problem.detail.len());
            json::write_error(&mut document, &problem, dialect);
            document.finish().concat().into()
        }
    };
    write_fields(output, &result.headers, is_problem);
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

fn write_fields(output: &mut ChunkWriter, fields: &Fields, is_problem: bool) {
    for (name, value) in fields {
        if name == CONTENT_LENGTH || (is_problem && name == CONTENT_TYPE) {
            continue;
        }
        names::write(name.as_str(), |piece| output.put(piece));
        output.put(b": ");
        output.put(value.as_bytes());
        output.put(b"\r\n");
    }
}
