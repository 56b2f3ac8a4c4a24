//! References to the results of earlier items (protocol §6), as they are written in a text:
//! `{$responses.ID.body#/pointer}`, `{$responses.ID.header.NAME}`, `{$responses.ID.status}`.
//!
//! Reading them is all that happens here, and they are data all the way: nothing of them is ever
//! run. `{{$responses.` is the text `{$responses.`; any other brace is itself.

use std::fmt;

use http::HeaderName;

use crate::reference::item_id::ItemId;

/// How every expression begins.
pub const EXPRESSION_START: &str = "{$responses.";

/// Characters of an expression that are repeated in a rejection.
const MAX_SHOWN: usize = 64;

/// A part of an earlier item's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Whose result.
    pub item: ItemId,
    /// Which part of it.
    pub part: Part,
}

/// Which part of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The status.
    Status,
    /// A field's value.
    Header(HeaderName),
    /// The value at an RFC 6901 pointer in a JSON body; the empty pointer is the complete body.
    Body(Box<str>),
}

/// An error in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// The expression as given, cut to a sensible length.
    pub reference: String,
    /// The problem with it.
    pub problem: &'static str,
}

/// A text with expressions in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTemplate(Vec<TextPiece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TextPiece {
    Text(String),
    Expression(Expression),
}

impl Expression {
    /// Whether it needs the result itself, and not only its status.
    #[must_use]
    pub fn needs_result(&self) -> bool {
        match self.part {
            Part::Status => false,
            Part::Header(_) | Part::Body(_) => true,
        }
    }

    /// Parses the text between `{$responses.` and `}`. The id ends where a part's name begins.
    pub(crate) fn parse(inner: &str) -> Result<Self, &'static str> {
        let starts = (0..inner.len()).filter(|at| inner.as_bytes().get(*at) == Some(&b'.'));
        for at in starts {
            let (id, part) = (inner.get(..at).unwrap_or_default(), inner.get(at..).unwrap_or_default());
            if let Some(part) = Part::parse(part)? {
                return if id.is_empty() { Err("has no id") } else { Ok(Self { item: id.into(), part }) };
            }
        }
        Err("names no part of a result; write .body#/pointer, .header.NAME or .status")
    }
}

impl Part {
    /// `None` if this is not a part's name, but more of the id.
    fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        if text == ".status" {
            return Ok(Some(Self::Status));
        }
        if text == ".body" {
            return Ok(Some(Self::Body("".into())));
        }
        if let Some(name) = text.strip_prefix(".header.") {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "does not name a header field")?;
            return Ok(Some(Self::Header(name)));
        }
        match text.strip_prefix(".body#") {
            Some(pointer) if is_pointer(pointer) => Ok(Some(Self::Body(pointer.into()))),
            Some(_) => Err("has an invalid JSON pointer (RFC 6901)"),
            None => Ok(None),
        }
    }
}

/// RFC 6901 §3.
fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{EXPRESSION_START}{}", self.item)?;
        match &self.part {
            Part::Status => formatter.write_str(".status}"),
            Part::Header(name) => write!(formatter, ".header.{name}}}"),
            Part::Body(pointer) if pointer.is_empty() => formatter.write_str(".body}"),
            Part::Body(pointer) => write!(formatter, ".body#{pointer}}}"),
        }
    }
}

/// Whether the text may contain an expression. If not, it need not be parsed.
#[must_use]
pub fn may_have_expressions(text: &[u8]) -> bool {
    // A dollar is rare, and looking for one byte is all that an ordinary item pays.
    memchr::memchr(b'$', text).is_some() && memchr::memmem::find(text, EXPRESSION_START.as_bytes()).is_some()
}

impl TextTemplate {
    /// A text without expressions.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self(vec![TextPiece::Text(text.to_owned())])
    }

    /// A text that is one expression.
    #[must_use]
    pub fn from_expression(expression: Expression) -> Self {
        Self(vec![TextPiece::Expression(expression)])
    }

    /// Parses a text.
    ///
    /// # Errors
    /// Names the first one that is not an expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut template = Self(Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(EXPRESSION_START) {
            if let Some(before) = before.strip_suffix('{') {
                template.push_text(before);
                template.push_text(EXPRESSION_START);
                rest = after;
                continue;
            }
            template.push_text(before);
            let error = |problem| ExpressionError { reference: shown(after), problem };
            let (inner, behind) = after.split_once('}').ok_or_else(|| error("has no closing brace"))?;
            template.0.push(TextPiece::Expression(Expression::parse(inner).map_err(error)?));
            rest = behind;
        }
        template.push_text(rest);
        Ok(template)
    }

    fn push_text(&mut self, more: &str) {
        match self.0.last_mut() {
            _ if more.is_empty() => {}
            Some(TextPiece::Text(text)) => text.push_str(more),
            Some(TextPiece::Expression(_)) | None => self.0.push(TextPiece::Text(more.to_owned())),
        }
    }

    /// The expressions, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|piece| match piece {
            TextPiece::Text(_) => None,
            TextPiece::Expression(expression) => Some(expression),
        })
    }

    /// The expression, if the text is one and nothing else.
    #[must_use]
    pub fn sole(&self) -> Option<&Expression> {
        match self.0.as_slice() {
            [TextPiece::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// The text, with a value for each expression. `value` also gets the text so far.
    ///
    /// # Errors
    /// The first that `value` gives.
    pub fn fill<E>(
        &self,
        mut value: impl FnMut(&Expression, &str) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                TextPiece::Text(text) => filled.push_str(text),
                TextPiece::Expression(expression) => {
                    let value = value(expression, &filled)?;
                    filled.push_str(&value);
                }
            }
        }
        Ok(filled)
    }
}

/// An expression as the client wrote it, from the text after its start.
fn shown(after: &str) -> String {
    let inner = after.split_inclusive('}').next().unwrap_or_default();
    let inner: String = inner.chars().filter(|character| !character.is_control()).take(MAX_SHOWN).collect();
    format!("{EXPRESSION_START}{inner}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<String, ExpressionError> {
        TextTemplate::parse(text)?.fill(|expression, _| Ok(format!("<{}>", expression.item)))
    }

    fn sole(text: &str) -> Expression {
        TextTemplate::parse(text).unwrap().sole().unwrap().clone()
    }

    #[test]
    fn the_three_parts_are_told_apart() {
        let body = |pointer: &str| Part::Body(pointer.into());
        let header = |name| Part::Header(HeaderName::from_static(name));
        let table = [
            ("{$responses.a.status}", "a", Part::Status),
            ("{$responses.a.header.ETag}", "a", header("etag")),
            ("{$responses.a.header.x.status}", "a", header("x.status")),
            ("{$responses.a.body}", "a", body("")),
            ("{$responses.a.body#}", "a", body("")),
            ("{$responses.a.body#/b.status/~0~1/0}", "a", body("/b.status/~0~1/0")),
            ("{$responses.v1.2 é{.body#/x}", "v1.2 é{", body("/x")),
            ("{$responses.body.status}", "body", Part::Status),
        ];
        for (text, item, part) in table {
            assert_eq!(sole(text), Expression { item: item.into(), part }, "{text}");
        }
    }

    #[test]
    fn text_round_about_stays() {
        assert_eq!(filled("/a/{$responses.x.status}/b?{$responses.y.status}").unwrap(), "/a/<x>/b?<y>");
        for text in ["", "{", "{$", "{$response.a.status}", "{$ responses.", "$responses.a.status", "}}{{"] {
            assert_eq!(filled(text).as_deref(), Ok(text));
            assert!(!may_have_expressions(text.as_bytes()));
        }
        assert_eq!(filled("{{$responses.a.status}").as_deref(), Ok("{$responses.a.status}"));
        assert_eq!(filled("{{{$responses.a").as_deref(), Ok("{{$responses.a"));
        assert_eq!(filled("{}{$responses.a.status}}").as_deref(), Ok("{}<a>}"));
        assert!(TextTemplate::parse("x{$responses.a.status}").unwrap().sole().is_none());
    }

    #[test]
    fn an_invalid_expression_is_named() {
        for text in [
            "{$responses.",
            "{$responses.}",
            "{$responses.a}",
            "{$responses.a.status",
            "{$responses.a.Status}",
            "{$responses..status}",
            "{$responses.a.header}",
            "{$responses.a.header.}",
            "{$responses.a.header.b c}",
            "{$responses.a.body#x}",
            "{$responses.a.body#/~2}",
            "{$responses.a.body#/~}",
            "{$responses.a.body/x}",
        ] {
            let error = filled(&format!("/x/{text}")).unwrap_err();
            assert_eq!(error.reference, text);
        }
        let error = filled(&format!("{{$responses.\r\n{}", "é".repeat(999))).unwrap_err();
        assert_eq!(error.reference.chars().count(), EXPRESSION_START.len() + MAX_SHOWN);
        assert!(!error.reference.contains('\n'));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(text in "(\\{\\$responses\\.|[a-c.{}#/~01$]|body|header|status){0,12}") {
            if let Ok(template) = TextTemplate::parse(&text) {
                for expression in template.expressions() {
                    prop_assert_eq!(&sole(&expression.to_string()), expression);
                }
            }
        }
    }
}
