//! Reads NDJSON: one record per line. A line that is not JSON fails alone.

use bytes::Bytes;

use super::Collector;
use crate::batch::{BatchRefusal, ItemRejection, Place};
use crate::format::json;

/// Reads the lines, and skips empty ones.
pub(super) fn read(body: &Bytes, collector: &mut Collector<'_>) -> Result<(), BatchRefusal> {
    if body.starts_with(b"\xef\xbb\xbf") {
        let reason = "JSON must not start with a byte order mark".to_owned();
        return Err(BatchRefusal::Malformed { reason, place: Place::at(body, 0) });
    }
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        collector.check_room()?;
        let record = match std::str::from_utf8(line) {
            Ok(line) => json::read_line(body, line, collector),
            Err(_) => Err("is not UTF-8".to_owned()),
        };
        collector.add(match record {
            Ok(record) => record,
            Err(problem) => Err(ItemRejection::BadRecordLine { line: index + 1, problem }),
        });
    }
    Ok(())
}
