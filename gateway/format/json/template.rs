//! Finds the strings of a JSON body that refer to other items' results (protocol §6). Everything between them
//! is sent byte for byte.

use bytes::Bytes;

use super::lexer::Lexer;
use super::strings::{RawString, plain_length};
use crate::reference::expression::{ExpressionError, TextTemplate, may_have_expressions};
use crate::reference::template::BodyPiece;

/// The deepest nesting of a body that is searched; bodies from a JSON batch nest less.
const MAX_DEPTH: usize = 128;

/// The pieces of a JSON body; `None` if none of its strings is a reference. A body that is not JSON
/// is sent unchanged.
pub(crate) fn template(body: &Bytes) -> Result<Option<Vec<BodyPiece>>, ExpressionError> {
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| is_json(text)) else {
        return Ok(None);
    };
    let mut pieces = Vec::new();
    let (mut sent, mut at) = (0, 0);
    while let Some(string) = next_string(text, at) {
        let (start, end) = (string.at - 1, string.at + string.content.len() + 1);
        at = end;
        if !may_have_expressions(string.content.as_bytes()) || is_name(text, end) {
            continue;
        }
        // A lone surrogate can't be decoded; the string is sent unchanged.
        let Ok(decoded) = string.decode() else { continue };
        pieces.push(BodyPiece::Raw(body.slice(sent..start)));
        pieces.push(piece(TextTemplate::parse(&decoded)?));
        sent = end;
    }
    if pieces.is_empty() {
        return Ok(None);
    }
    pieces.push(BodyPiece::Raw(body.slice(sent..)));
    Ok(Some(pieces))
}

fn piece(text: TextTemplate) -> BodyPiece {
    match text.sole() {
        Some(expression) => BodyPiece::Value(expression.clone()),
        None => BodyPiece::Text(text),
    }
}

fn is_json(text: &str) -> bool {
    let mut lexer = Lexer::new(text, MAX_DEPTH);
    lexer.value().and_then(|_| lexer.end()).is_ok()
}

/// The first string that starts at `from` or later in a JSON text, where no string is open.
fn next_string(text: &str, from: usize) -> Option<RawString<'_>> {
    let bytes = text.as_bytes();
    let at = from + memchr::memchr(b'"', bytes.get(from..)?)? + 1;
    let mut end = at;
    let mut escaped = false;
    loop {
        end += plain_length(bytes.get(end..)?);
        if bytes.get(end) == Some(&b'"') {
            return Some(RawString { content: text.get(at..end)?, at, escaped });
        }
        escaped = true;
        end += 2;
    }
}

/// Whether the string that ends at `end` is a member's name.
fn is_name(text: &str, end: usize) -> bool {
    text.get(end..).is_some_and(|after| after.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body again, its expressions written as `<ID>` and `[ID]`.
    fn shown(body: &str) -> Option<String> {
        let pieces = template(&Bytes::copy_from_slice(body.as_bytes())).unwrap()?;
        let shown = pieces.iter().map(|piece| match piece {
            BodyPiece::Raw(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            BodyPiece::Value(expression) => format!("<{}>", expression.item),
            BodyPiece::Text(text) => {
                text.fill(|expression, _| Ok::<_, ()>(format!("[{}]", expression.item))).unwrap()
            }
        });
        Some(shown.collect())
    }

    #[test]
    fn strings_are_found_and_the_rest_stays() {
        let same = |body: &str, expected: &str| assert_eq!(shown(body).as_deref(), Some(expected), "{body}");
        same(r#" { "a" : "{$responses.x.body#\/id}" , "b": 1.0e3 } "#, r#" { "a" : <x> , "b": 1.0e3 } "#);
        same(r#""{$responses.x.status}""#, "<x>");
        same(r#"["\"{\\","\u00e9 {$responses.x.status}!","\ud800"]"#, r#"["\"{\\",é [x]!,"\ud800"]"#);
        same(r#"{"{$responses.x.status}":"{$responses.y.status}"}"#, r#"{"{$responses.x.status}":<y>}"#);
        same(r#"["{{$responses.x.status}"]"#, "[{$responses.x.status}]");
    }

    #[test]
    fn a_text_without_references_is_not_a_template() {
        for body in [
            r#"{"{$responses.x.status}" : 1}"#,
            r#"["\ud800{$responses.x.status}"]"#,
            r#"["{$responses.x.status}""#,
            "{$responses.x.status}",
            "",
        ] {
            assert_eq!(shown(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(body in "([\\[\\]{}\":,\\\\ u0d8]|\\{\\$responses\\.a\\.status\\}){0,20}") {
            let body = Bytes::from(body.into_bytes());
            if let Ok(Some(pieces)) = template(&body) {
                prop_assert!(pieces.len() >= 3);
            }
        }
    }
}
