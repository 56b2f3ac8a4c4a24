//! Url templates of bulk routes (RFC 6570, simple expansion only): a path, optionally with a query, that contains
//! variables.
//!
//! Everything in a value except unreserved characters is percent-encoded, so that it fills the place of its variable
//! and nothing else. Reserved expansion (`{+name}`) would let a value add slashes, and the operators of the higher
//! levels would let it add separators: both are refused.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::canonical::{CanonicalPath, PathError, Strictness, has_broken_encoding};
use super::query::is_query_byte;
use super::table::RouteTable;

/// The characters that are percent-encoded: all but the unreserved ones (RFC 3986 §2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A url with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    text: Box<str>,
    pieces: Vec<Piece>,
    variables: Vec<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    /// The index of the variable's name.
    Variable(usize),
}

/// Why a template is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace is not closed.
    #[error("has a `{{` without its `}}`")]
    Unclosed,
    /// A brace is closed that was not opened.
    #[error("has a `}}` without its `{{`")]
    NotOpen,
    /// An operator of RFC 6570's higher levels.
    #[error("has an expansion with an operator (`{{+name}}`, `{{?name}}`, …), which could change the route")]
    Operator,
    /// A name that RFC 6570 §2.3 does not allow, or that asks for more than simple expansion.
    #[error("has a variable whose name is not made of letters, digits, `_` and single dots")]
    Name,
    /// No variable: every record would have the same url.
    #[error("has no variable, so every record would have the same url")]
    NoVariable,
    /// The text around the variables is not a valid path.
    #[error("{0}")]
    Path(PathError),
    /// The text around the variables is not a valid query.
    #[error("has a character in its query that must be percent-encoded")]
    Query,
}

impl UrlTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut template = Self { text: text.into(), pieces: Vec::new(), variables: Vec::new() };
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('{') {
            template.add_literal(literal)?;
            let (name, behind) = behind.split_once('}').ok_or(TemplateError::Unclosed)?;
            template.add_variable(name)?;
            rest = behind;
        }
        template.add_literal(rest)?;
        if template.variables.is_empty() {
            return Err(TemplateError::NoVariable);
        }
        Self::check(&template.filled_with("x"))?;
        Ok(template)
    }

    /// The template as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its variables, each once.
    #[must_use]
    pub fn variables(&self) -> &[Box<str>] {
        &self.variables
    }

    /// The url for these values, in the order of [`Self::variables`].
    #[must_use]
    pub fn expand(&self, values: &[&str]) -> String {
        let mut url = String::with_capacity(self.text.len() + 16);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => url.push_str(literal),
                Piece::Variable(index) => {
                    let value = values.get(*index).copied().unwrap_or_default();
                    url.extend(utf8_percent_encode(value, &RESERVED));
                }
            }
        }
        url
    }

    /// A path that no route has: what covers it covers every expansion, unless a value spells out a route's path.
    #[must_use]
    pub fn stand_in(&self, table: &RouteTable) -> Option<CanonicalPath> {
        let longest = table.routes().iter().map(|route| route.path.as_str().len()).max().unwrap_or(0);
        // A value as long as this can't be a part of a route's path.
        let url = self.filled_with(&"x".repeat(longest + 1));
        let path = url.split('?').next().unwrap_or_default();
        CanonicalPath::parse(path, Strictness::Item).ok()
    }

    fn filled_with(&self, value: &str) -> String {
        self.expand(&vec![value; self.variables.len()])
    }

    fn add_literal(&mut self, literal: &str) -> Result<(), TemplateError> {
        if literal.contains('}') {
            return Err(TemplateError::NotOpen);
        }
        // `%{id}` would make a value's first characters a part of an encoding.
        if has_broken_encoding(literal) {
            return Err(TemplateError::Path(PathError::BrokenEncoding));
        }
        if !literal.is_empty() {
            self.pieces.push(Piece::Literal(literal.into()));
        }
        Ok(())
    }

    fn add_variable(&mut self, name: &str) -> Result<(), TemplateError> {
        if name.starts_with(['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|']) {
            return Err(TemplateError::Operator);
        }
        let is_fine = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !name.split('.').all(is_fine) {
            return Err(TemplateError::Name);
        }
        let known = self.variables.iter().position(|variable| **variable == *name);
        self.pieces.push(Piece::Variable(known.unwrap_or(self.variables.len())));
        if known.is_none() {
            self.variables.push(name.into());
        }
        Ok(())
    }

    fn check(url: &str) -> Result<(), TemplateError> {
        let (path, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        CanonicalPath::parse(path, Strictness::Item).map_err(TemplateError::Path)?;
        let is_fine = |byte: u8| is_query_byte(byte) && byte != b'#';
        if query.bytes().all(is_fine) { Ok(()) } else { Err(TemplateError::Query) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{PathPattern, Respond, Route, RouteAction};

    fn expand(template: &str, values: &[&str]) -> String {
        UrlTemplate::parse(template).unwrap().expand(values)
    }

    #[test]
    fn values_fill_the_places_of_their_variables() {
        assert_eq!(expand("/orders/{id}", &["7"]), "/orders/7");
        assert_eq!(expand("/a/{x}/b-{y}/{x}?q={y}&r=1", &["1", "2"]), "/a/1/b-2/1?q=2&r=1");
        assert_eq!(UrlTemplate::parse("/{x}/{y.z}/{x}").unwrap().variables(), ["x".into(), "y.z".into()]);
    }

    #[test]
    fn values_are_encoded_completely() {
        assert_eq!(
            expand("/o/{id}", &["a/../b?c#d;e\r\n%2fé ~-._"]),
            "/o/a%2F..%2Fb%3Fc%23d%3Be%0D%0A%252f%C3%A9%20~-._"
        );
    }

    #[test]
    fn invalid_templates_are_refused() {
        use TemplateError as E;
        let cases = [
            ("/orders", E::NoVariable),
            ("/orders/{id", E::Unclosed),
            ("/orders/id}", E::NotOpen),
            ("/orders/{{id}}", E::Name),
            ("/orders/{}", E::Name),
            ("/orders/{+id}", E::Operator),
            ("/orders{/id}", E::Operator),
            ("/orders{?id}", E::Operator),
            ("/orders/{#id}", E::Operator),
            ("/orders/{a,b}", E::Name),
            ("/orders/{id*}", E::Name),
            ("/orders/{id:3}", E::Name),
            ("/orders/{a b}", E::Name),
            ("/orders/{a..b}", E::Name),
            ("orders/{id}", E::Path(PathError::NotAbsolute)),
            ("//orders/{id}", E::Path(PathError::NotAbsolute)),
            ("http://x/{id}", E::Path(PathError::NotAbsolute)),
            ("/orders//{id}", E::Path(PathError::EmptySegment)),
            ("/orders/../{id}", E::Path(PathError::DotSegment)),
            ("/orders/%{id}", E::Path(PathError::BrokenEncoding)),
            ("/orders/%2{id}", E::Path(PathError::BrokenEncoding)),
            ("/orders/{id}?a=%{id}", E::Path(PathError::BrokenEncoding)),
            ("/orders/%2f{id}", E::Path(PathError::EncodedSeparator)),
            ("/or ders/{id}", E::Path(PathError::Character)),
            ("/orders/{id}#a", E::Path(PathError::Character)),
            ("/orders/{id}?a#b", E::Query),
            ("/orders/{id}?a b", E::Query),
            ("/orders/{id}?a>b", E::Query),
            ("/orders/{id}?a=\"b\"", E::Query),
        ];
        for (text, error) in cases {
            assert_eq!(UrlTemplate::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_template_belongs_to_a_route() {
        let respond =
            Respond { status: http::StatusCode::OK, body: bytes::Bytes::new(), content_type: String::new() };
        let route =
            |text: &str| Route::new(PathPattern::parse(text).unwrap(), RouteAction::Respond(respond.clone()));
        let paths = ["/orders", "/orders/x", "/orders/xx/y", "/files/", "/t/{id}/lines", "/t/{id}/lines/x"];
        let table = RouteTable::new(paths.map(route).into());
        let found = |text: &str| {
            let path = UrlTemplate::parse(text).unwrap().stand_in(&table).unwrap();
            table.met_at(&path).first().map(|index| paths[index.0])
        };
        assert_eq!(found("/orders/{id}"), Some("/orders"));
        assert_eq!(found("/orders/x/{id}"), Some("/orders/x"));
        assert_eq!(found("/files/{id}?a={id}"), Some("/files/"));
        assert_eq!(found("/t/{id}/lines/{line}"), Some("/t/{id}/lines"));
        assert_eq!(found("/files{id}"), None);
        assert_eq!(found("/{id}"), None);
    }
}
