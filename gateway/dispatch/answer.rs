//! An item's result as later items can refer to it: its status, the value of a field, a value in its JSON body.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::outcome::Outcome;
use crate::format::{CodingError, codings_of, decode_reply, is_json, json};
use crate::header::field::is_hop_by_hop;
use crate::reference::condition::Literal;
use crate::reference::expression::{Expression, Part};

/// Bytes of a body that a reference looks into, once decoded.
const MAX_BODY: usize = 1 << 20;

/// A result that can be referred to.
pub(crate) struct Answer<'outcome> {
    status: StatusCode,
    headers: Cow<'outcome, HeaderMap>,
    body: &'outcome Bytes,
}

type Problem = &'static str;

const NO_VALUE: Problem = "the result's body has no such value";

impl<'outcome> Answer<'outcome> {
    /// `None` where the item has no reply.
    pub(crate) fn from_outcome(outcome: &'outcome Outcome) -> Option<Self> {
        match outcome {
            Outcome::Answered(reply) => {
                Some(Self { status: reply.status, headers: Cow::Borrowed(&reply.headers), body: &reply.body })
            }
            Outcome::Responded(respond) => {
                let headers = respond.fields().collect();
                Some(Self { status: respond.status, headers: Cow::Owned(headers), body: &respond.body })
            }
            Outcome::Rejected(_) | Outcome::Skipped(_) | Outcome::Failed { .. } | Outcome::Undone { .. } => {
                None
            }
        }
    }

    /// A field's value, several joined into one (RFC 9110 §5.3); `None` for fields that describe the connection.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if is_hop_by_hop(&name) || name == header::CONTENT_ENCODING || name == header::CONTENT_LENGTH {
            return None;
        }
        let values = self.headers.get_all(&name).iter().map(|value| std::str::from_utf8(value.as_bytes()));
        let values: Vec<_> = values.collect::<Result<_, _>>().ok()?;
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The value that an expression refers to, as part of a text. `left`: bytes that may still be looked through.
    pub(crate) fn text(&self, expression: &Expression, left: &mut usize) -> Result<String, Problem> {
        match &expression.part {
            Part::Status => Ok(self.status.as_str().to_owned()),
            Part::Header(name) => {
                let value = self.header(name.as_str()).ok_or("the result has no such header")?;
                take(left, value.len())?;
                Ok(value)
            }
            Part::Body(pointer) => self.in_body(pointer, left, |value| {
                let text = json::text_of_value(value.ok_or(NO_VALUE)?).map(Cow::into_owned);
                text.ok_or("the value is not a string, number or boolean, so it can't be part of a text")
            }),
        }
    }

    /// The value that an expression refers to, as JSON.
    pub(crate) fn json(&self, expression: &Expression, left: &mut usize) -> Result<Vec<u8>, Problem> {
        match &expression.part {
            Part::Status => Ok(self.status.as_str().as_bytes().to_vec()),
            Part::Header(_) => self.text(expression, left).map(|value| json::quoted(&value)),
            Part::Body(pointer) => self
                .in_body(pointer, left, |value| value.map(|value| value.as_bytes().to_vec()).ok_or(NO_VALUE)),
        }
    }

    /// The value as a condition compares it; `None` for an object or a list. A value that is missing is null.
    pub(crate) fn literal(&self, part: &Part, left: &mut usize) -> Result<Option<Literal>, Problem> {
        match part {
            Part::Status => Ok(Some(Literal::Number(self.status.as_str().into()))),
            Part::Header(name) => {
                let value = self.header(name.as_str());
                take(left, value.as_ref().map_or(0, String::len))?;
                Ok(Some(value.map_or(Literal::Null, |value| Literal::Text(value.into()))))
            }
            Part::Body(_) if self.body.is_empty() => Ok(Some(Literal::Null)),
            Part::Body(pointer) => {
                self.in_body(pointer, left, |value| value.map_or(Ok(Some(Literal::Null)), literal))
            }
        }
    }

    fn in_body<T>(
        &self,
        pointer: &str,
        left: &mut usize,
        read: impl Fn(Option<&str>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_none_or(is_json) {
            return Err("the result's body is not JSON");
        }
        let body = self.decoded();
        // A body that could not be decoded was looked through as well.
        take(left, body.as_ref().map_or(MAX_BODY, Bytes::len).min(MAX_BODY))?;
        let body = body.ok().filter(|body| body.len() <= MAX_BODY);
        let body = body.ok_or("the result's body is over 1 MiB, or can't be decoded")?;
        let text = std::str::from_utf8(&body).map_err(|_| "the result's body is not JSON")?;
        let value = json::value_at(text, pointer);
        if value.is_none() && json::value_at(text, "").is_none() {
            return Err("the result's body is not JSON");
        }
        read(value)
    }

    fn decoded(&self) -> Result<Bytes, CodingError> {
        match codings_of(&self.headers) {
            Some(codings) => decode_reply(&codings, self.body.clone(), MAX_BODY),
            None => Ok(self.body.clone()),
        }
    }
}

/// A JSON value; `None` for an object or a list.
fn literal(value: &str) -> Result<Option<Literal>, Problem> {
    Ok(Some(match value.as_bytes().first() {
        Some(b'{' | b'[') => return Ok(None),
        Some(b'"') => {
            let text =
                json::text_of_value(value).ok_or("the value is a string with an unpaired surrogate")?;
            Literal::Text(text.into())
        }
        Some(b'n') | None => Literal::Null,
        Some(b't') => Literal::Boolean(true),
        Some(b'f') => Literal::Boolean(false),
        Some(_) => Literal::Number(value.into()),
    }))
}

fn take(left: &mut usize, bytes: usize) -> Result<(), Problem> {
    *left = left.checked_sub(bytes).ok_or("the references have looked through as much of the results as they may (64 MiB in a batch, 8 MiB in a line of a stream)")?;
    Ok(())
}
