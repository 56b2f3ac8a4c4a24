//! Results as lines, each as JSON has it (protocol §4.1, §4.4), and a last line that sums them up.

use std::time::Duration;

use bytes::Bytes;

use crate::batch::Dialect;
use crate::batch::Summary;
use crate::batch::{ItemResult, MultiStatus, Problem};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::json::{write_problem, write_result};
use crate::header::retry_after::whole_seconds;

/// Collects lines that leave together.
#[derive(Debug)]
pub struct LineWriter(ChunkWriter);

/// What the last line of a stream says.
#[derive(Clone, Copy, Debug)]
pub struct StreamEnd<'end> {
    /// The results before it.
    pub summary: Summary,
    /// The largest Retry-After among the items that may be sent again.
    pub retry_after: Option<Duration>,
    /// Why the rest of the body was not read.
    pub refused: Option<&'end Problem>,
}

impl Default for LineWriter {
    fn default() -> Self {
        Self(ChunkWriter::of_json_lines())
    }
}

impl LineWriter {
    /// Adds a result.
    pub fn put(&mut self, result: ItemResult) {
        write_result(&mut self.0, result, Dialect::Batchgate);
        self.0.put(b"\n");
    }

    /// Adds the last line.
    pub fn put_end(&mut self, end: &StreamEnd<'_>) {
        self.0.put(b"{\"summary\":{\"items\":");
        self.0.put_number(end.summary.items);
        self.0.put(b",\"failed\":");
        self.0.put_number(end.summary.failed);
        if let Some(after) = end.retry_after {
            self.0.put(b",\"retry_after\":");
            self.0.put_number(whole_seconds(after));
        }
        if let Some(problem) = end.refused {
            self.0.put(b",\"refused\":");
            write_problem(&mut self.0, problem);
        }
        self.0.put(b"}}\n");
    }

    /// The lines so far; none of the chunks is empty.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.0.take()
    }
}

/// Writes the results of a batch that was read whole.
pub(crate) fn write(results: MultiStatus) -> Vec<Bytes> {
    let end = StreamEnd { summary: results.summary(), retry_after: results.retry_after(), refused: None };
    let mut writer = LineWriter::default();
    for result in results.results {
        writer.put(result);
    }
    writer.put_end(&end);
    writer.take()
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::*;
    use crate::batch::{ItemForm, ItemId, ResultBody, Subject};

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
        assert_eq!(text(&write(MultiStatus { results })), expected);
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
        writer.put_end(&StreamEnd { summary, retry_after: None, refused: Some(&problem) });
        let expected = concat!(
            r#"{"summary":{"items":0,"failed":0,"refused":"#,
            r#"{"type":"urn:x","title":"Too long","status":413,"detail":"d"}}}"#,
            "\n"
        );
        assert_eq!(text(&writer.take()), expected);
        assert!(writer.take().is_empty());
    }
}
