//! Writes the results of a batch as one body, and the problem of a batch that was refused.

use super::accept::Accept;
use super::chunk_writer::ChunkWriter;
use super::encoded_body::EncodedBody;
use super::json::ErrorForm;
use super::kind::Format;
use super::negotiation::problem_format;
use super::result_writer::{ReplyEnd, ResultWriter};
use super::xml;
use crate::batch::{MultiStatus, Problem};

/// Writes all results, and frees each as soon as it is written.
#[must_use]
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub fn write_all(mut writer: Box<dyn ResultWriter>, results: MultiStatus) -> EncodedBody {
    let (summary, retry_after) = (results.summary(), results.retry_after());
    writer.begin(results.results.iter().map(|result| writer.expected_length(result)).sum());
    for result in results.results {
        writer.put(result);
    }
    writer.end(&ReplyEnd { summary, retry_after, refused: None });
    EncodedBody { content_type: writer.content_type(), chunks: writer.take() }
}

/// Writes a problem detail (RFC 9457) in the format that the client accepts, or else sends: `content_type` is that of its
/// request.
#[must_use]
pub fn write_problem(accept: &Accept<'_>, content_type: Option<&str>, problem: &Problem) -> EncodedBody {
    match problem_format(accept, content_type) {
        // A batch that is refused has no parts to answer, and a problem is not a stream.
        Format::Json | Format::Multipart | Format::Ndjson => ErrorForm::PROBLEM.encode(problem),
        Format::Xml => {
            let mut output = ChunkWriter::new(256 + problem.detail.len());
            xml::write_problem(&mut output, problem);
            EncodedBody { content_type: "application/problem+xml".into(), chunks: output.finish() }
        }
    }
}
