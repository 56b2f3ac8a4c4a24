//! Reads a file item by item, whatever its length: lines of NDJSON, or rows of CSV.
//!
//! No more than one record is in memory here, and none is larger than [`MAX_RECORD`].

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use super::item::{Item, Members, waits_by};
use super::records::Template;
use crate::format::check_quotes;
use crate::terminal::{counted, one_line};

/// Bytes of a line of NDJSON, or of a row of CSV.
const MAX_RECORD: u64 = 8 << 20;

/// Why the file can't be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("the file can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("record {0}: {1}")]
    Record(u64, String),
    #[error("record {0}, line {1}: {2}")]
    Row(u64, u64, String),
    #[error("line {0} is longer than 8 MiB; a line of NDJSON is one record")]
    LongLine(u64),
    #[error("line {0}: {1}")]
    Csv(u64, String),
    #[error("the header line has no `{0}`, which --path or --body names; it has {1}")]
    NoColumn(String, String),
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
                let record = Record::read(&line).map_err(wrong)?;
                template.item(number, &record.0).map_err(|error| wrong(error.to_string()))
            }
            None => item_of(number, &line).map_err(wrong),
        }
    }))
}

/// Why a line is not a JSON object.
fn no_object(error: &serde_json::Error) -> String {
    if error.is_data() {
        return "it is not a JSON object, such as {\"method\":\"GET\",\"url\":\"/orders/1\"}".to_owned();
    }
    let (message, column) = (error.to_string(), error.column());
    let message = message.split(" at line ").next().unwrap_or_default();
    format!("it is not JSON: {message} (column {column})")
}

fn item_of(number: u64, line: &[u8]) -> Result<Item, String> {
    let members: Members = Record::read(line)?.0.into_iter().collect();
    if let Some(name) = waits_by(&members) {
        return Err(format!(
            "it has `{name}`, but items in different batches can't wait for each other; send the file as one batch or as a stream"
        ));
    }
    Item::new(number, members).map_err(|error| error.to_string())
}

/// The items of rows of CSV with a header line.
pub(super) fn of_rows(input: impl BufRead + Send + 'static, template: Template) -> Result<Items, InputError> {
    let mut rows = Rows { input, lines: 0, text: Vec::new(), read: VecDeque::new() };
    let (_, header) = rows.next().transpose()?.unwrap_or_default();
    let names: Vec<String> = header.iter().map(str::to_owned).collect();
    let mut seen = HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(InputError::Csv(1, format!("two columns have the name `{name}`")));
    }
    if let Some(name) = template.columns().find(|name| !seen.contains(name)) {
        let present = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(InputError::NoColumn(name.to_owned(), one_line(&present, 300)));
    }
    let numbered = (1..).zip(rows);
    Ok(Box::new(numbered.map(move |(number, row)| {
        let (line, row) = row?;
        item_of_row(&row, number, &names, &template).map_err(|error| InputError::Row(number, line, error))
    })))
}

fn item_of_row(
    row: &csv::StringRecord,
    number: u64,
    names: &[String],
    template: &Template,
) -> Result<Item, String> {
    if row.len() != names.len() {
        let fields = counted(row.len() as u64, "field", "fields");
        return Err(format!("it has {fields}, and the header line {}", names.len()));
    }
    let values = names.iter().zip(row).map(|(name, value)| Ok((name.clone(), to_raw_value(value)?)));
    let record = values.collect::<serde_json::Result<Vec<_>>>().map_err(|error| error.to_string())?;
    template.item(number, &record).map_err(|error| error.to_string())
}

/// Rows of CSV. Each is read on its own, so that its quotes can be checked: readers of CSV accept misplaced ones.
struct Rows<R> {
    input: R,
    /// Lines that have been read.
    lines: u64,
    text: Vec<u8>,
    /// Each with the line on which it begins. Several, where a carriage return alone ends the lines.
    read: VecDeque<(u64, csv::StringRecord)>,
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<(u64, csv::StringRecord), InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.read.is_empty() {
            match self.read_on() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        self.read.pop_front().map(Ok)
    }
}

impl<R: BufRead> Rows<R> {
    /// Reads to the end of the next line that is in no quoted field. `false`: there is none.
    fn read_on(&mut self) -> Result<bool, InputError> {
        self.text.clear();
        let begins = self.lines + 1;
        let mut is_in_quotes = false;
        loop {
            let before = self.text.len();
            let left = MAX_RECORD.saturating_sub(before as u64);
            let read = (&mut self.input).take(left).read_until(b'\n', &mut self.text)?;
            let is_line = self.text.ends_with(b"\n");
            self.lines += u64::from(is_line && read > 0);
            if self.text.len() as u64 == MAX_RECORD && !is_line {
                return Err(InputError::LongRow(begins));
            }
            let added = self.text.get(before..).unwrap_or_default();
            is_in_quotes ^= memchr::memchr_iter(b'"', added).count() % 2 == 1;
            if read == 0 || !is_in_quotes {
                break;
            }
        }
        if begins == 1 {
            drop_byte_order_mark(&mut self.text);
        }
        self.parse(begins)?;
        Ok(!self.text.is_empty())
    }

    fn parse(&mut self, begins: u64) -> Result<(), InputError> {
        check_quotes(&self.text).map_err(|(at, reason)| {
            let lines = self.text.iter().take(at).filter(|byte| **byte == b'\n').count();
            InputError::Csv(begins + lines as u64, reason.to_owned())
        })?;
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(self.text.as_slice());
        for row in reader.records() {
            let row = row.map_err(|_| InputError::Csv(begins, "CSV has to be UTF-8".to_owned()))?;
            self.read.push_back((begins, row));
        }
        Ok(())
    }
}

/// Spreadsheets and editors of Windows write a byte order mark at the start of a file.
fn drop_byte_order_mark(text: &mut Vec<u8>) {
    if text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
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
                Ok(_) if self.number == 1 => drop_byte_order_mark(&mut self.line),
                Ok(_) => {}
                Err(error) => return Some(Err(error.into())),
            }
            if !self.line.trim_ascii().is_empty() {
                return Some(Ok(self.line.trim_ascii().to_vec()));
            }
        }
    }
}

/// An object in the order in which it is written. No two members have the same name.
struct Record(Vec<(String, Box<RawValue>)>);

impl Record {
    /// Reads an object. One that has a member twice is refused, as the gateway does: readers differ in which of the two counts, so
    /// that a DELETE could hide behind a GET.
    fn read(json: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(json).map_err(|error| no_object(&error))?;
        let mut seen = HashSet::new();
        match record.0.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            Some((name, _)) => Err(format!("it has the member `{}` twice", one_line(name, 60))),
            None => Ok(record),
        }
    }
}

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
        let marked = all(of_lines(&b"\xef\xbb\xbf{\"url\":\"/a\"}"[..], None)).unwrap();
        assert_eq!(marked, [r#"{"id":"1","url":"/a"}"#]);
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
        // Many short rows are not one long row.
        let rows = format!("id,s\n{}", format!("1,{}\n", "x".repeat(999)).repeat(9_000));
        assert_eq!(of_rows(io::Cursor::new(rows.into_bytes()), template()).unwrap().count(), 9_000);
    }

    #[test]
    fn an_error_names_the_record() {
        let waiting = all(of_lines(&b"{\"url\":\"/a\"}\n{\"dependsOn\":[\"1\"]}"[..], None)).unwrap_err();
        assert!(waiting.starts_with("record 2: it has `dependsOn`"), "{waiting}");
        for (line, part) in [
            (&b"{\n"[..], "record 1: it is not JSON: EOF while parsing an object (column 1)"),
            (b"{oops", "record 1: it is not JSON: key must be a string (column 2)"),
            (b"[1]", "record 1: it is not a JSON object, such as {"),
            (b"7", "record 1: it is not a JSON object, such as {"),
            (
                br#"{"method":"GET","url":"/o/1","method":"DELETE"}"#,
                "record 1: it has the member `method` twice",
            ),
            (br#"{"method":"GET","m\u0065thod":"DELETE"}"#, "record 1: it has the member `method` twice"),
        ] {
            for template in [None, Some(template())] {
                let error = all(of_lines(line, template)).unwrap_err();
                assert!(error.starts_with(part), "{error}");
            }
        }
        let row = all(of_rows(&b"id,s\n1,\"a\nb\"\n1\n"[..], template()).unwrap()).unwrap_err();
        assert_eq!(row, "record 2, line 4: it has 1 field, and the header line 2");
    }

    #[test]
    fn ambiguous_csv_is_refused() {
        let error = |csv: &'static str| match of_rows(csv.as_bytes(), template()) {
            Ok(items) => all(items).unwrap_err(),
            Err(error) => error.to_string(),
        };
        for (csv, expected) in [
            ("s\n1\n", "the header line has no `id`, which --path or --body names; it has `s`"),
            ("id\n1\n", "the header line has no `s`, which --path or --body names; it has `id`"),
            ("id,s,s\n1,2,3\n", "line 1: two columns have the name `s`"),
            ("id,s\n1,\"a\nb\"\n2,\"c\n3,d\n", "line 4: a quoted field has no end"),
            ("id,s\n2,\"a\"b\"\n3,c\n", "line 2: something follows the end of a quoted field"),
            ("id,s\n1,a\"b\n", "line 2: a quote is in a field that does not start with one"),
            ("id,s\n1\n", "record 1, line 2: it has 1 field, and the header line 2"),
        ] {
            assert_eq!(error(csv), expected, "{csv}");
        }
        assert_eq!(all(of_rows(&b"id,s\r1,a\r2,b\r"[..], template()).unwrap()).unwrap().len(), 2);
    }
}
