//! Reads the records of a bulk (protocol §2.5) as JSON: the elements of an array, or the value of a
//! line. A record is sent byte for byte; only the variables of its url are read.

use bytes::Bytes;

use super::error::{JsonError, JsonErrorKind, unknown_member};
use super::item::NO_OBJECT;
use super::lexer::Lexer;
use super::text::text_of;
use crate::batch::{BatchRefusal, ItemRejection, Unit, limit_text};
use crate::format::bulk::{Collector, Record, Value};

/// A record, or why it is rejected.
type Read<'a> = Result<Record<'a>, ItemRejection>;

/// Reads an array of records.
pub(crate) fn read_array(body: &Bytes, collector: &mut Collector<'_>) -> Result<(), BatchRefusal> {
    let text = text_of(body)?;
    let limits = collector.limits();
    let mut in_item = false;
    read_elements(body, text, collector, &mut in_item)
        .map_err(|fault| fault.into_refusal(body, in_item.then(|| collector.next_index()), limits))
}

/// Reads one line, which is a slice of `whole`.
///
/// # Errors
/// Describes the problem.
pub(crate) fn read_line<'a>(
    whole: &Bytes,
    line: &'a str,
    collector: &Collector<'_>,
) -> Result<Read<'a>, String> {
    let mut lexer = Lexer::new(line, collector.limits().max_depth);
    let read = read_record(whole, line, &mut lexer, collector);
    let read = read.and_then(|record| lexer.end().map(|()| record));
    read.map_err(|fault| {
        let column = fault.at + 1;
        match fault.kind {
            JsonErrorKind::Syntax(reason) | JsonErrorKind::NotABatch(reason) => {
                format!("is not well-formed: {reason} at column {column}")
            }
            JsonErrorKind::TooDeep => {
                let limit = limit_text(collector.limits().max_depth, Unit::Levels, "max_depth");
                format!("nests deeper than the limit of {limit}")
            }
            JsonErrorKind::Twice(member) => format!("has the member `{member}` twice"),
            JsonErrorKind::Unknown { member, meant } => unknown_member(&member, meant),
            JsonErrorKind::TooManyItems => "is one too many".to_owned(),
        }
    })
}

fn read_elements(
    body: &Bytes,
    text: &str,
    collector: &mut Collector<'_>,
    in_item: &mut bool,
) -> Result<(), JsonError> {
    let mut lexer = Lexer::new(text, collector.limits().max_depth);
    if lexer.peek() != Some(b'[') {
        // If this is not JSON at all, that is the better error.
        lexer.value()?;
        return Err(JsonError { at: 0, kind: JsonErrorKind::NotABatch("expected an array of records") });
    }
    lexer.elements(|lexer| {
        if collector.is_full() {
            return Err(JsonError { at: lexer.position(), kind: JsonErrorKind::TooManyItems });
        }
        *in_item = true;
        let record = read_record(body, text, lexer, collector)?;
        *in_item = false;
        collector.add(record);
        Ok(())
    })?;
    lexer.end()
}

fn read_record<'a>(
    whole: &Bytes,
    text: &'a str,
    lexer: &mut Lexer<'a>,
    collector: &Collector<'_>,
) -> Result<Read<'a>, JsonError> {
    if lexer.peek() != Some(b'{') {
        lexer.value()?;
        return Ok(Err(NO_OBJECT));
    }
    let start = lexer.position();
    let mut values = collector.no_values();
    lexer.open_object()?;
    while let Some(name) = lexer.next_member()? {
        // A name that can't be decoded is not a variable. The record is sent as it is.
        let decoded = name.decode().ok();
        let mut variables = collector.variables().iter();
        let variable = variables.position(|variable| decoded.as_deref() == Some(&**variable));
        match variable.and_then(|index| values.get_mut(index)) {
            Some(value) => value.put(read_value(lexer)?),
            None => {
                lexer.value()?;
            }
        }
    }
    let source = text.get(start..lexer.position()).unwrap_or_default();
    Ok(Ok(Record { values, body: Some((whole.slice_ref(source.as_bytes()), "application/json")) }))
}

/// A value as it appears in a url: a string's characters, a number or word as it is written.
fn read_value<'a>(lexer: &mut Lexer<'a>) -> Result<Value<'a>, JsonError> {
    if lexer.peek() == Some(b'"') {
        let decoded = lexer.string()?.decode();
        return Ok(decoded.map_or(Value::Unfit("has a surrogate that is not part of a pair"), Value::Text));
    }
    let value = lexer.value()?;
    Ok(match value.as_bytes().first() {
        Some(b'{') => Value::Unfit("is an object, which can't be part of a url"),
        Some(b'[') => Value::Unfit("is an array, which can't be part of a url"),
        Some(b'n') => Value::Unfit("is null, but the url needs it"),
        Some(_) | None => Value::Text(value.into()),
    })
}
