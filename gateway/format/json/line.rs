//! Reads an item that is a JSON text of its own, such as a line of NDJSON.

use bytes::Bytes;

use super::conventions::JsonInput;
use super::error::{JsonError, JsonErrorKind, unknown_member};
use super::item::ItemReader;
use super::lexer::Lexer;
use crate::batch::{BatchItem, BatchLimits, ItemIndex, Unit, limit_text};

/// Why a text is not an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineError {
    /// Bytes from the start of the text.
    pub(crate) at: usize,
    /// The parser's message, for people.
    pub(crate) reason: String,
}

/// Reads the item.
pub(crate) fn read_item(
    text: &Bytes,
    index: ItemIndex,
    limits: &BatchLimits,
) -> Result<BatchItem, LineError> {
    let json = std::str::from_utf8(text)
        .map_err(|error| LineError { at: error.valid_up_to(), reason: "JSON has to be UTF-8".to_owned() })?;
    let mut lexer = Lexer::new(json, limits.max_depth);
    let read = ItemReader::new(text, limits, JsonInput::default()).read(&mut lexer, index);
    read.and_then(|item| lexer.end().map(|()| item)).map_err(|fault| line_error(fault, limits))
}

fn line_error(fault: JsonError, limits: &BatchLimits) -> LineError {
    let reason = match fault.kind {
        JsonErrorKind::Syntax(reason) | JsonErrorKind::NotABatch(reason) => reason.to_owned(),
        JsonErrorKind::TooDeep => {
            let limit = limit_text(limits.max_depth, Unit::Levels, "max_depth");
            format!("it nests deeper than the limit of {limit}")
        }
        JsonErrorKind::Twice(member) => format!("duplicate member `{member}`"),
        JsonErrorKind::Unknown { member, meant } => unknown_member(&member, meant),
        JsonErrorKind::TooManyItems => "it has too many items".to_owned(),
    };
    LineError { at: fault.at, reason }
}
