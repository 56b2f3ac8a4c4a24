//! Header fields of items: the bytes that they may contain and the names that an item may not set.
//!
//! Names and values are parsed with the `http` crate's types, which refuse CR, LF, NUL and names that are not tokens
//! (RFC 9110 §5.1, §5.5). [`checked_field`] adds the gateway's own rules.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use crate::http1::trim_blanks;

/// An item's fields, in the order given.
pub type Fields = Vec<(HeaderName, HeaderValue)>;

/// Why an item can't have a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The name is not a token.
    #[error("is not a valid header field name")]
    Name,
    /// The value has a control character other than a tab.
    #[error("has a value with characters that a header field can't carry")]
    Value,
    /// The gateway or the connection sets this field; an item may not.
    #[error("can't be set by an item: it belongs to the connection or to the gateway")]
    Forbidden,
    /// An object has the field twice, perhaps in different cases.
    #[error("appears twice; write a list of strings for a field with several values")]
    Twice,
    /// The item has a field twice that has a single value.
    #[error("may occur only once")]
    Once,
    /// A Content-Length that is not a number.
    #[error("is not a decimal number")]
    NotANumber,
    /// A Host that is not the gateway's own.
    #[error("names another host than this gateway")]
    OtherHost,
    /// A Content-Length that is not the length of the body.
    #[error("does not match the length of the body")]
    Length,
    /// The field's value is not a string.
    #[error("has a value that is neither a string nor a list of strings")]
    NotText,
}

/// Parses one field of an item.
///
/// # Errors
/// Says why an item can't have the field.
pub fn checked_field(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), FieldError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| FieldError::Name)?;
    if is_forbidden_in_item(&name) {
        return Err(FieldError::Forbidden);
    }
    let value = trim_blanks(value);
    if value.iter().any(|&byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f)) {
        return Err(FieldError::Value);
    }
    let value = HeaderValue::from_bytes(value).map_err(|_| FieldError::Value)?;
    Ok((name, value))
}

/// Whether an item may not set this field: framing, hop-by-hop fields, and fields that the gateway sets itself
/// (protocol §1). A name that differs only by underscores is refused too: servers behind CGI read `X_Forwarded_For` as
/// `X-Forwarded-For`.
#[must_use]
pub fn is_forbidden_in_item(name: &HeaderName) -> bool {
    if name.as_str().contains('_') {
        let dashed = HeaderName::try_from(name.as_str().replace('_', "-"));
        return dashed.is_ok_and(|dashed| is_forbidden_in_item(&dashed));
    }
    is_hop_by_hop(name)
        || name.as_str().starts_with("x-forwarded-")
        || matches!(
            name.as_str(),
            "host"
                | "content-length"
                | "expect"
                | "forwarded"
                | "via"
                | "x-request-id"
                | "traceparent"
                | "tracestate"
                | "x-real-ip"
        )
}

/// Whether the field says where a request's body ends, or is about its connection. Only what writes the request can say it: a wrong one
/// would leave the server waiting, or break the connection.
#[must_use]
pub fn is_of_framing(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || [http::header::CONTENT_LENGTH, http::header::EXPECT].contains(name)
}

/// Whether the field describes one connection only (RFC 9110 §7.6.1, RFC 9112).
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// The value as text. If it is not UTF-8 it is ISO-8859-1 (RFC 9110 §5.5): each byte is a character.
pub(crate) fn value_text(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}
