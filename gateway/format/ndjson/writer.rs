//! Writes results as lines, each as in JSON (protocol §4.1, §4.4), and a last line with the summary.

use std::borrow::Cow;

use bytes::Bytes;

use crate::batch::ItemResult;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{JsonOutput, write_problem, write_result};
use crate::format::kind::Format;
use crate::format::result_writer::{ReplyEnd, ResultWriter};

/// Writes a reply in lines. The lines so far can be taken at any time.
#[derive(Debug)]
pub struct LineWriter {
    output: ChunkWriter,
    conventions: JsonOutput,
}

impl Default for LineWriter {
    fn default() -> Self {
        Self { output: ChunkWriter::for_json_lines(), conventions: JsonOutput::default() }
    }
}

impl ResultWriter for LineWriter {
    fn content_type(&self) -> Cow<'static, str> {
        Format::Ndjson.media_type().into()
    }

    /// Lines have no head.
    fn begin(&mut self, _expected: usize) {}

    fn put(&mut self, result: ItemResult) {
        write_result(&mut self.output, result, &self.conventions);
        self.output.put(b"\n");
    }

    fn end(&mut self, end: &ReplyEnd<'_>) {
        self.output.put(b"{\"summary\":{\"items\":");
        self.output.put_number(end.summary.items);
        self.output.put(b",\"failed\":");
        self.output.put_number(end.summary.failed);
        if let Some(after) = end.retry_after {
            self.output.put(b",\"retry_after\":");
            // Rounded up: a client that waits this long does not come too early.
            self.output.put_number(after.as_secs() + u64::from(after.subsec_nanos() > 0));
        }
        if let Some(problem) = end.refused {
            self.output.put(b",\"refused\":");
            write_problem(&mut self.output, problem);
        }
        self.output.put(b"}}\n");
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.output.take()
    }
}
