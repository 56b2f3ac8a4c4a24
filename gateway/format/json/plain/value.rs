//! Values that are taken as text: a string, or a number or boolean as it is written.

use std::borrow::Cow;

use crate::format::json::error::JsonError;
use crate::format::json::lexer::Lexer;

/// Reads a value as text; `None` if it is an object, an array or `null`.
pub(crate) fn scalar<'a>(lexer: &mut Lexer<'a>) -> Result<Option<Cow<'a, str>>, JsonError> {
    if lexer.peek() == Some(b'"') {
        return lexer.string()?.decode().map(Some);
    }
    let text = lexer.value()?;
    let is_scalar = !text.starts_with(['{', '[']) && text != "null";
    Ok(is_scalar.then_some(Cow::Borrowed(text)))
}

/// Reads a value, or the values of a list; `None` is a value that can't be taken as text.
pub(crate) fn scalars<'a>(
    lexer: &mut Lexer<'a>,
    mut each: impl FnMut(Option<Cow<'a, str>>),
) -> Result<(), JsonError> {
    if lexer.peek() != Some(b'[') {
        each(scalar(lexer)?);
        return Ok(());
    }
    lexer.open_array()?;
    let mut first = true;
    while lexer.next_element(&mut first)? {
        each(scalar(lexer)?);
    }
    Ok(())
}

/// Reads an object whose values are texts or lists of them. `each` gets every one with its name, and says whether it will
/// do. Returns true if all would; `null` is an object without members.
pub(crate) fn texts<'a>(
    lexer: &mut Lexer<'a>,
    mut each: impl FnMut(&Cow<'a, str>, Cow<'a, str>) -> bool,
) -> Result<bool, JsonError> {
    match open_or_skip(lexer)? {
        Opened::Null => return Ok(true),
        Opened::Other => return Ok(false),
        Opened::Object => {}
    }
    let (mut first, mut good) = (true, true);
    while let Some(name) = lexer.next_member(&mut first)? {
        let name = name.decode()?;
        scalars(lexer, |value| good &= value.is_some_and(|value| each(&name, value)))?;
    }
    Ok(good)
}

/// Opens an object, or skips any other value.
pub(crate) fn open_or_skip(lexer: &mut Lexer<'_>) -> Result<Opened, JsonError> {
    if lexer.peek() == Some(b'{') {
        lexer.open_object()?;
        return Ok(Opened::Object);
    }
    Ok(if lexer.value()? == "null" { Opened::Null } else { Opened::Other })
}

/// What was found where an object may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// An object; its members come next.
    Object,
    /// `null`.
    Null,
    /// Anything else.
    Other,
}
