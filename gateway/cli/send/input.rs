//! Reads a file item by item, whatever its length: lines of NDJSON, or rows of CSV.
//!
//! No more than one record is in memory here, and none is larger than [`MAX_RECORD`].

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use super::item::{Item, Members, waits_by};
use super::records::{RecordError, Template};

/// Bytes of a line of NDJSON, or of a row of CSV.
const MAX_RECORD: u64 = 8 << 20;

/// Why the file can't be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("the file can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("record {0}: {1}")]
    Record(u64, String),
    #[error("line {0} is longer than 8 MiB; a line of NDJSON is one record")]
    LongLine(u64),
    #[error("line {0}: the row that begins here is longer than 8 MiB; is a quote in it never closed?")]
    LongRow(u64),
}

/// The items of a file.
pub(super) type Items = Box<dyn Iterator<Item = Result<Item, InputError>> + Send>;

/// The items of lines. With a template each line is a record, without it an item.
pub(super) fn of_lines(input: impl BufRead + Send + 'static, template: Option<Template>) -> Items {
    let lines = Lines { input, line: Vec::new(), number: 0 };
    let numbered = (1..).zip(lines);
    Box::new(numbered.map(move |(number, line)| {
        let wrong = |error: String| InputError::Record(number, error);
        let line = line?;
        match &template {
            Some(template) => {
                let record: Record =
                    serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?;
                template.item(number, &record.0).map_err(|error| wrong(error.to_string()))
            }
            None => item_of(number, &line).map_err(wrong),
        }
    }))
}

fn item_of(number: u64, line: &[u8]) -> Result<Item, String> {
    let members: Members = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if let Some(name) = waits_by(&members) {
        return Err(format!(
            "it has `{name}`, but items in different batches can't wait for each other; send the file as one batch or as a stream"
        ));
    }
    Item::new(number, members).map_err(|error| error.to_string())
}

/// The items of rows of CSV with a header line.
pub(super) fn of_rows(input: impl Read + Send + 'static, template: Template) -> Result<Items, InputError> {
    let left = Arc::new(AtomicU64::new(MAX_RECORD));
    let bounded = Bounded { input: WithoutMark::new(input), left: Arc::clone(&left) };
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(bounded);
    let names = match reader.headers() {
        Ok(names) => names.iter().map(str::to_owned).collect(),
        Err(_) if left.load(Ordering::Relaxed) == 0 => return Err(InputError::LongRow(1)),
        Err(error) => return Err(InputError::Record(0, error.to_string())),
    };
    Ok(Box::new(Rows { reader, names, template, number: 0, left }))
}

/// Rows of CSV.
struct Rows<R> {
    reader: csv::Reader<Bounded<R>>,
    names: Vec<String>,
    template: Template,
    /// Of the last row.
    number: u64,
    /// Bytes that the next row may have; shared with the reader's input.
    left: Arc<AtomicU64>,
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Item, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.reader.position().line();
        self.left.store(MAX_RECORD, Ordering::Relaxed);
        self.number += 1;
        let mut row = csv::StringRecord::new();
        match self.reader.read_record(&mut row) {
            Ok(true) => Some(self.item(&row)),
            Ok(false) => None,
            Err(_) if self.left.load(Ordering::Relaxed) == 0 => Some(Err(InputError::LongRow(line))),
            Err(error) => Some(Err(InputError::Record(self.number, error.to_string()))),
        }
    }
}

impl<R> Rows<R> {
    fn item(&self, row: &csv::StringRecord) -> Result<Item, InputError> {
        let values = self.names.iter().zip(row).map(|(name, value)| Ok((name.clone(), to_raw_value(value)?)));
        let record = values.collect::<serde_json::Result<Vec<_>>>().map_err(|_| RecordError::Json);
        let item = record.and_then(|record| self.template.item(self.number, &record));
        item.map_err(|error| InputError::Record(self.number, error.to_string()))
    }
}

/// A text of which no more is read than is left: the parser would keep a row in memory, however long it is.
struct Bounded<R> {
    input: R,
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed).saturating_sub(read as u64);
        self.left.store(left, Ordering::Relaxed);
        if left == 0 { Err(io::Error::from(io::ErrorKind::FileTooLarge)) } else { Ok(read) }
    }
}

/// Lines that are not blank.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Of the last line, blank ones counted.
    number: u64,
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Vec<u8>, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            self.number += 1;
            match (&mut self.input).take(MAX_RECORD).read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(_) if self.line.len() as u64 == MAX_RECORD && !self.line.ends_with(b"\n") => {
                    return Some(Err(InputError::LongLine(self.number)));
                }
                Ok(_) if self.line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(self.line.trim_ascii().to_vec())),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

/// A text without the byte order mark that spreadsheets write before it.
struct WithoutMark<R> {
    input: R,
    begins: bool,
}

impl<R> WithoutMark<R> {
    fn new(input: R) -> Self {
        Self { input, begins: true }
    }
}

impl<R: Read> Read for WithoutMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let begins = std::mem::replace(&mut self.begins, false);
        match buffer.get(..read) {
            Some([0xef, 0xbb, 0xbf, rest @ ..]) if begins => {
                let length = rest.len();
                buffer.copy_within(3..read, 0);
                Ok(length)
            }
            Some(_) | None => Ok(read),
        }
    }
}

/// An object in the order in which it is written.
struct Record(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Record;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect::<Result<_, _>>().map(Record)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::send::records::{Body, PathTemplate};
    use crate::route::UrlTemplate;

    fn template() -> Template {
        let path = PathTemplate::Filled(UrlTemplate::parse("/o/{id}").unwrap());
        Template { method: "PUT".to_owned(), path, body: Body::Columns(vec!["s".to_owned()]) }
    }

    /// The items as JSON, or the message of the first error.
    fn all(items: Items) -> Result<Vec<String>, String> {
        items.map(|item| item.map(|item| item.json).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn lines_are_items_or_records() {
        let items =
            all(of_lines(&b"{\"method\":\"GET\",\"url\":\"/a\"}\r\n\n{\"url\":\"/b\"}"[..], None)).unwrap();
        assert_eq!(items, [r#"{"id":"1","method":"GET","url":"/a"}"#, r#"{"id":"2","url":"/b"}"#]);
        let records = all(of_lines(&b"{\"id\":7,\"s\":\"x\"}"[..], Some(template()))).unwrap();
        assert_eq!(records, [r#"{"body":{"s":"x"},"id":"1","method":"PUT","url":"/o/7"}"#]);
    }

    #[test]
    fn rows_are_records_of_text() {
        let csv = &b"\xef\xbb\xbfid,s\n7,\"a \"\"b\"\"\nc\"\n"[..];
        let items = all(of_rows(csv, template()).unwrap()).unwrap();
        assert_eq!(items, [r#"{"body":{"s":"a \"b\"\nc"},"id":"1","method":"PUT","url":"/o/7"}"#]);
    }

    #[test]
    fn a_record_that_is_too_long_is_named_by_its_line() {
        // What the parser has read ahead is not counted.
        let long = "x".repeat(usize::try_from(MAX_RECORD).unwrap() + (64 << 10));
        let lines = format!("{{}}\n\n{{\"url\":\"{long}\"}}\n").into_bytes();
        let error = all(of_lines(io::Cursor::new(lines), None)).unwrap_err();
        assert_eq!(error, "line 3 is longer than 8 MiB; a line of NDJSON is one record");
        let error = |rows: String| match of_rows(io::Cursor::new(rows.into_bytes()), template()) {
            Ok(items) => all(items).unwrap_err(),
            Err(error) => error.to_string(),
        };
        let begins = |line: u64| {
            format!(
                "line {line}: the row that begins here is longer than 8 MiB; is a quote in it never closed?"
            )
        };
        assert_eq!(error(format!("id,s\n1,\"a\nb\"\n2,\"{long}\"\n")), begins(4));
        assert_eq!(error(format!("id,{long}\n")), begins(1));
        // Many rows are no long row.
        let rows = format!("id,s\n{}", format!("1,{}\n", "x".repeat(999)).repeat(9_000));
        assert_eq!(of_rows(io::Cursor::new(rows.into_bytes()), template()).unwrap().count(), 9_000);
    }

    #[test]
    fn an_error_names_the_record() {
        let waiting = all(of_lines(&b"{\"url\":\"/a\"}\n{\"dependsOn\":[\"1\"]}"[..], None)).unwrap_err();
        assert!(waiting.starts_with("record 2: it has `dependsOn`"), "{waiting}");
        assert!(all(of_lines(&b"{\n"[..], None)).unwrap_err().starts_with("record 1: "));
        assert!(all(of_rows(&b"id,s\n1\n"[..], template()).unwrap()).unwrap_err().starts_with("record 1: "));
        assert!(all(of_rows(&b"s\n1\n"[..], template()).unwrap()).unwrap_err().contains("has no `id`"));
    }
}
