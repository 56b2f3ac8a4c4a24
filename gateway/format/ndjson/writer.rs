//! Writes results as lines, each as in JSON (protocol §4.1, §4.4), and a last line with the summary.

use std::borrow::Cow;

use bytes::Bytes;

use crate::batch::ItemResult;
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{JsonOutput, write_problem, write_result, write_summary};
use crate::format::kind::Format;
use crate::format::result_writer::{ReplyEnd, ResultWriter};
use crate::header::retry_after::whole_seconds;

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
        write_result(&mut self.output, &result, &self.conventions);
        self.output.put(b"\n");
    }

    fn end(&mut self, end: &ReplyEnd<'_>) {
        self.output.put(b"{");
        write_summary(&mut self.output, end.summary);
        if let Some(after) = end.retry_after {
            self.output.put(b",\"retry_after\":");
            self.output.put_number(whole_seconds(after));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, StatusCode};

    use super::*;
    use crate::batch::{ItemForm, ItemId, MultiStatus, Problem, ResultBody, Subject, Summary};
    use crate::format::write_all;
    use crate::header::spelling::Spellings;

    fn result(id: &str, status: StatusCode) -> ItemResult {
        ItemResult {
            subject: Subject {
                id: ItemId::from(id),
                method: Method::GET,
                href: "/a".into(),
                form: ItemForm::default(),
            },
            status,
            headers: Vec::new(),
            body: ResultBody::Absent,
            spellings: Spellings::default(),
            gateway: None,
            retryable: status == StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_millis(1500)),
        }
    }

    fn text(chunks: &[Bytes]) -> String {
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[test]
    fn a_batch_is_lines_and_a_summary() {
        let results = vec![result("a\n", StatusCode::OK), result("b", StatusCode::SERVICE_UNAVAILABLE)];
        let expected = concat!(
            "{\"id\":\"a\\n\",\"status\":200,\"headers\":{}}\n",
            "{\"id\":\"b\",\"status\":503,\"headers\":{},\"retryable\":true}\n",
            "{\"summary\":{\"items\":2,\"failed\":1,\"retry_after\":2}}\n",
        );
        let written = write_all(Box::<LineWriter>::default(), MultiStatus { results });
        assert_eq!(text(&written.chunks), expected);
    }

    #[test]
    fn a_stream_that_was_cut_says_why() {
        let problem = Problem {
            kind: "urn:x",
            title: "Too long",
            status: StatusCode::PAYLOAD_TOO_LARGE,
            detail: "d".into(),
            place: None,
        };
        let mut writer = LineWriter::default();
        let summary = Summary { items: 0, failed: 0 };
        writer.end(&ReplyEnd { summary, retry_after: None, refused: Some(&problem) });
        let expected = concat!(
            r#"{"summary":{"items":0,"failed":0,"refused":"#,
            r#"{"type":"urn:x","title":"Too long","status":413,"detail":"d","#,
            r#""error":{"code":413,"message":"d"}}}}"#,
            "\n"
        );
        assert_eq!(text(&writer.take()), expected);
        assert!(writer.take().is_empty());
    }
}
