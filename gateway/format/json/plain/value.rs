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

/// Reads an object whose values are texts or lists of them. `each` gets every one with its name, and says whether it will
/// do. Returns true if all would; `null` is an object without members.
pub(crate) fn texts<'a>(
    lexer: &mut Lexer<'a>,
    mut each: impl FnMut(&Cow<'a, str>, Cow<'a, str>) -> bool,
) -> Result<bool, JsonError> {
    if lexer.peek() != Some(b'{') {
        return lexer.value().map(|value| value == "null");
    }
    lexer.open_object()?;
    let mut good = true;
    while let Some(name) = lexer.next_member()? {
        let name = name.decode()?;
        lexer.one_or_several(|lexer| {
            good &= scalar(lexer)?.is_some_and(|value| each(&name, value));
            Ok(())
        })?;
    }
    Ok(good)
}
