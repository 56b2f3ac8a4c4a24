//! Values of fields that the configuration sets, with variables in them: `{client}`, `{request_id}` and `{host}`.
//!
//! In: the text of the configuration, and later what the variables are for one request. Out: a field's value. Braces with
//! anything else in them than a single word are text, because the values of some fields are JSON.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderValue;

use crate::words::words;

words! {
    /// What a variable stands for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Variable {
        Client = "client",
        RequestId = "request_id",
        Host = "host",
    }
}

/// What the variables are for one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variables<'request> {
    /// The address of the client; `None` for a Unix socket.
    pub client: Option<IpAddr>,
    /// The id of the request.
    pub request_id: &'request str,
    /// What the client called the gateway.
    pub host: &'request str,
}

/// A value that the configuration gives to a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// The same for every request.
    Fixed(HeaderValue),
    /// With variables.
    Made(Made),
}

/// A value with variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Made(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// No variable has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVariable;

impl Variable {
    fn of(self, variables: Variables<'_>) -> Cow<'_, str> {
        match self {
            Self::Client => address_text(variables.client).into(),
            Self::RequestId => variables.request_id.into(),
            Self::Host => variables.host.into(),
        }
    }
}

impl UnknownVariable {
    /// The names that there are.
    pub fn known() -> impl Iterator<Item = &'static str> {
        Variable::ALL.into_iter().map(Variable::as_str)
    }
}

impl Made {
    /// Reads a text of the configuration; `None` if it has no variables.
    ///
    /// # Errors
    /// It names a variable that does not exist.
    pub fn parse(text: &str) -> Result<Option<Self>, UnknownVariable> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_variable(rest) {
            let known = Variable::ALL.into_iter().find(|variable| variable.as_str() == name);
            let variable = known.ok_or(UnknownVariable)?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Variable(variable)]);
            rest = after;
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Some(Self(pieces)))
    }
}

impl FieldValue {
    /// The value for one request. A variable that can't be in a field leaves it empty.
    #[must_use]
    pub fn fill(&self, variables: Variables<'_>) -> HeaderValue {
        let pieces = match self {
            Self::Fixed(value) => return value.clone(),
            Self::Made(Made(pieces)) => pieces,
        };
        let text: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Cow::Borrowed(text.as_str()),
                Piece::Variable(variable) => variable.of(variables),
            })
            .collect();
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// A client's address as fields and log lines have it.
#[must_use]
pub fn address_text(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => {
            // Each request has it twice, and the formatter of the standard library takes its time.
            let mut text = String::with_capacity("255.255.255.255".len());
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push('.');
                }
                text.push_str(itoa::Buffer::new().format(octet));
            }
            text
        }
        Some(IpAddr::V6(address)) => address.to_string(),
        None => "unix".to_owned(),
    }
}

/// The text before the next variable, its name, and the text after it.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(start, _)| {
        let (name, after) = text.get(start + 1..)?.split_once('}')?;
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_word.then(|| (text.get(..start).unwrap_or_default(), name, after))
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const VARIABLES: Variables<'_> = Variables { client: Some(CLIENT), request_id: "r-1", host: "gw:8080" };

    #[test]
    fn variables_are_filled_in_and_json_stays() {
        for (text, expected) in [
            ("{client}", Some("192.0.2.1")),
            ("for={client};host={host}", Some("for=192.0.2.1;host=gw:8080")),
            ("{request_id}{request_id}", Some("r-1r-1")),
            ("{{host}}", Some("{gw:8080}")),
            ("plain", None),
            (r#"{"report_to":"default","max_age":1}"#, None),
            ("{Client}", None),
            ("{}", None),
            ("{client", None),
            (r#"{"a":"{host}"}"#, Some(r#"{"a":"gw:8080"}"#)),
        ] {
            let made = Made::parse(text).unwrap();
            let filled = made.map(|made| FieldValue::Made(made).fill(VARIABLES));
            assert_eq!(filled.as_ref().map(|value| value.to_str().unwrap()), expected, "{text}");
        }
        assert_eq!(Made::parse("{clients}"), Err(UnknownVariable));
    }

    #[test]
    fn what_no_field_can_hold_leaves_it_empty() {
        let made = FieldValue::Made(Made::parse("{host}").unwrap().unwrap());
        assert_eq!(made.fill(Variables { host: "a\nb", ..VARIABLES }), "");
    }
}
