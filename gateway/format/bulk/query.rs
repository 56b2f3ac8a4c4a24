//! Records in a query parameter, repeated or with commas: `?id=1,2&id=3`. A comma that belongs to a
//! value is written `%2C`. Every item gets the rest of the query.

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::{Collector, Record, Value};
use crate::batch::{BatchRefusal, Place};
use crate::route::has_broken_encoding;

/// Whether the query has the parameter, empty or not.
pub(super) fn has_parameter(query: &str, parameter: &str) -> bool {
    query.split('&').any(|pair| name_and_value(pair).0 == parameter)
}

/// Reads the records. A body is refused: it might be a second set of records.
pub(super) fn read(parameter: &str, body: &Bytes, collector: &mut Collector<'_>) -> Result<(), BatchRefusal> {
    if !body.is_empty() {
        let reason = "the records are in the query, but there is a body as well".to_owned();
        return Err(BatchRefusal::NotABatch { reason, place: Place::at(body, 0) });
    }
    let query = collector.query();
    let is_other = |pair: &&str| !pair.is_empty() && name_and_value(pair).0 != parameter;
    collector.set_query(query.split('&').filter(is_other).collect::<Vec<_>>().join("&"));
    for (name, values) in query.split('&').map(name_and_value) {
        if name != parameter {
            continue;
        }
        for value in values.split(',') {
            collector.check_room()?;
            let value = decoded(value).map_or_else(Value::Unfit, Value::Text);
            collector.add(Ok(Record { values: vec![value], body: None }));
        }
    }
    Ok(())
}

/// The parameter's name, decoded, and its value as it is written.
fn name_and_value(pair: &str) -> (Cow<'_, str>, &str) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decoded(name).unwrap_or(Cow::Borrowed(name)), value)
}

/// Undoes the encoding of a form (WHATWG URL §5.1): `+` is a blank.
fn decoded(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if has_broken_encoding(text) {
        return Err("has a broken percent-encoding");
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| "is not UTF-8")?;
    Ok(Cow::Owned(decoded.into_owned()))
}
