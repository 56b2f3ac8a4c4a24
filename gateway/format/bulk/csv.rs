//! Reads CSV with a header line (RFC 4180): each row becomes a JSON object of strings.

use bytes::Bytes;
use csv::{Reader, ReaderBuilder, StringRecord};

use super::{Collector, Record, Value, quoting};
use crate::batch::{BatchRefusal, ItemRejection, Place};
use crate::format::shown::shown;
use crate::terminal::counted;

/// The maximum number of columns; each is compared with all others.
const MAX_COLUMNS: usize = 1024;

/// Reads the rows. Spreadsheets write a byte order mark, which is skipped.
pub(super) fn read(body: &Bytes, collector: &mut Collector<'_>) -> Result<(), BatchRefusal> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let offset = body.len() - text.len();
    let malformed = |reason: &str, at| BatchRefusal::Malformed {
        reason: reason.to_owned(),
        place: Place::at(body, offset + at),
    };
    let utf_8 = std::str::from_utf8(text);
    utf_8.map_err(|error| malformed("CSV has to be UTF-8", error.valid_up_to()))?;
    quoting::check(text).map_err(|(at, reason)| malformed(reason, at))?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut row = StringRecord::new();
    let next = |row: &mut StringRecord, reader: &mut Reader<&[u8]>| {
        reader.read_record(row).map_err(|_| malformed("this row can't be read", 0))
    };
    if !next(&mut row, &mut reader)? {
        return Err(not_a_batch("the header line is missing", body));
    }
    let columns = Columns::new(&row, collector.variables(), body)?;
    let mut left = collector.limits().max_body;
    while next(&mut row, &mut reader)? {
        collector.check_room()?;
        let record = columns.record(&row, collector);
        // Every object repeats the names: a long header line must not multiply the document.
        let length =
            record.as_ref().ok().and_then(|record| record.body.as_ref()).map_or(0, |(body, _)| body.len());
        left = left
            .checked_sub(length)
            .ok_or(BatchRefusal::BodyTooLarge { limit: collector.limits().max_body })?;
        collector.add(record);
    }
    Ok(())
}

fn not_a_batch(reason: &str, body: &[u8]) -> BatchRefusal {
    BatchRefusal::NotABatch { reason: reason.to_owned(), place: Place::at(body, 0) }
}

/// What the header line says.
struct Columns {
    /// The names as JSON strings.
    names: Vec<String>,
    /// By variable: the column of its name.
    variables: Vec<Option<usize>>,
}

impl Columns {
    fn new(header: &StringRecord, variables: &[Box<str>], body: &[u8]) -> Result<Self, BatchRefusal> {
        if header.len() > MAX_COLUMNS {
            return Err(not_a_batch("the header line has more than 1024 columns", body));
        }
        let mut seen = std::collections::HashSet::new();
        for name in header {
            if name.is_empty() {
                return Err(not_a_batch("a column has no name", body));
            }
            if !seen.insert(name) {
                return Err(BatchRefusal::DuplicateMember { member: shown(name), place: Place::at(body, 0) });
            }
        }
        Ok(Self {
            names: header.iter().map(json_string).collect(),
            variables: variables
                .iter()
                .map(|variable| header.iter().position(|name| *name == **variable))
                .collect(),
        })
    }

    fn record<'row>(
        &self,
        row: &'row StringRecord,
        collector: &Collector<'_>,
    ) -> Result<Record<'row>, ItemRejection> {
        if row.len() != self.names.len() {
            let line = row.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(0));
            let problem = format!(
                "has {}, and the header line {}",
                counted(row.len() as u64, "field", "fields"),
                self.names.len()
            );
            return Err(ItemRejection::BadRecordLine { line, problem });
        }
        let mut values = collector.no_values();
        for (value, column) in values.iter_mut().zip(&self.variables) {
            if let Some(text) = column.and_then(|column| row.get(column)) {
                value.put(Value::Text(text.into()));
            }
        }
        let mut object = String::from("{");
        for (index, (name, value)) in self.names.iter().zip(row).enumerate() {
            object.push_str(if index > 0 { "," } else { "" });
            object.push_str(name);
            object.push(':');
            object.push_str(&json_string(value));
        }
        object.push('}');
        Ok(Record { values, body: Some((object.into(), "application/json")) })
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
