//! Claims of a token as fields for the services (`claims_to_headers`).
//!
//! A claim that can't be told without changing what it means is not told at all: one that is too long, has a control character, or
//! is a list with a comma inside of a member, which would look like two members.

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::config::claim_at;
use crate::header::field::Fields;

/// Bytes of a field's value.
const MAX_VALUE: usize = 4 << 10;

/// The fields with these claims, as far as the token has them.
pub(super) fn fields(wanted: &[(HeaderName, String)], claims: &Map<String, Value>) -> Fields {
    let field =
        |(field, claim): &(HeaderName, String)| Some((field.clone(), told(claim_at(claims, claim)?)?));
    wanted.iter().filter_map(field).collect()
}

fn told(claim: &Value) -> Option<HeaderValue> {
    let text = match claim {
        Value::Array(members) => members.iter().map(member).collect::<Option<Vec<_>>>()?.join(","),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => plain(claim)?,
        Value::Null | Value::Object(_) => return None,
    };
    let is_told = !text.is_empty()
        && text.len() <= MAX_VALUE
        && text.trim() == text
        && !text.chars().any(char::is_control);
    HeaderValue::from_bytes(text.as_bytes()).ok().filter(|_| is_told)
}

fn member(member: &Value) -> Option<String> {
    plain(member).filter(|text| !text.is_empty() && !text.contains(','))
}

fn plain(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_told_as_it_is_or_not_at_all() {
        for (claim, text) in [
            (json!("ann"), Some("ann")),
            (json!("Jürgen"), Some("Jürgen")),
            (json!("a, b"), Some("a, b")),
            (json!(42), Some("42")),
            (json!(1.5), Some("1.5")),
            (json!(true), Some("true")),
            (json!(["a", "b", 3]), Some("a,b,3")),
            (json!(["a,b", "c"]), None),
            (json!(["a", ["b"]]), None),
            (json!(["a", ""]), None),
            (json!([]), None),
            (json!(""), None),
            (json!(" a"), None),
            (json!("a\r\nX-Role: admin"), None),
            (json!("a\tb"), None),
            (json!("a\u{85}b"), None),
            (json!(null), None),
            (json!({"a": 1}), None),
            (json!("x".repeat(MAX_VALUE + 1)), None),
        ] {
            let told = told(&claim);
            assert_eq!(told.as_ref().map(HeaderValue::as_bytes), text.map(str::as_bytes), "{claim}");
        }
    }
}
