//! Reads the members of an object, and accepts none twice.

use super::error::{JsonError, JsonErrorKind};
use super::lexer::Lexer;
use crate::format::shown::shown;

/// Members of a batch or an item. Far more than the protocol has, and few enough to compare each
/// with all.
const MAX_MEMBERS: usize = 64;

/// Reads an object: `each` gets a member's name and the place of the name, and reads the value. A second member of the same
/// name is refused: RFC 8259 §4 leaves open what it means, so that the gateway and the upstream might differ.
pub(super) fn read_members<'a>(
    lexer: &mut Lexer<'a>,
    mut each: impl FnMut(&mut Lexer<'a>, &str, usize) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut members = Vec::new();
    lexer.open_object()?;
    while let Some(name) = lexer.next_member()? {
        let at = name.at;
        let name = name.decode()?;
        if members.contains(&name) {
            return Err(JsonError { at, kind: JsonErrorKind::Twice(shown(&name)) });
        }
        if members.len() == MAX_MEMBERS {
            return Err(JsonError { at, kind: JsonErrorKind::NotABatch("there are more than 64 members") });
        }
        each(lexer, &name, at)?;
        members.push(name);
    }
    Ok(())
}
