//! Writes the problem of a batch that was refused.

use super::accept::Accept;
use super::chunk_writer::ChunkWriter;
use super::encoded_body::EncodedBody;
use super::json::ErrorForm;
use super::kind::Format;
use super::negotiation::problem_format;
use super::xml;
use crate::batch::Problem;

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
