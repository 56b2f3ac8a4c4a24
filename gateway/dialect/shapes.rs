//! The shapes of a dialect's JSON, as JSON Schemas: what a description of the gateway for clients needs (`openapi`).
//!
//! Most dialects have the documents of OData, and their schemas follow from the same conventions as the reader and the
//! writer. An item that is wrong is answered alone, so the schemas say what an item should be, not what makes a batch fail.

use serde_json::{Value, json};

use crate::batch::OutcomeKind;
use crate::format::json::{JsonInput, JsonOutput};

/// The shapes of one dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Shapes {
    /// The member of a batch that has the items.
    pub list: &'static str,
    /// The other members of a batch, by name.
    pub shared: Value,
    /// An item.
    pub item: Value,
    /// The reply to a batch.
    pub reply: Value,
}

impl Shapes {
    /// The documents of OData and of the dialects like it: `requests` and `responses`.
    #[must_use]
    pub fn of_documents(input: &JsonInput<'_>, output: &JsonOutput) -> Self {
        Self { list: "requests", shared: json!({}), item: item(input), reply: reply(input, output) }
    }

    /// A batch.
    #[must_use]
    pub fn batch(&self) -> Value {
        let mut properties = self.shared.clone();
        if let Some(members) = properties.as_object_mut() {
            members.insert(self.list.to_owned(), array_of(&self.item));
        }
        json!({ "type": "object", "required": [self.list], "properties": properties })
    }
}

/// An item's id, or what names it.
fn id(input: &JsonInput<'_>) -> Value {
    if input.ids_are_strings {
        json!({ "type": "string", "minLength": 1 })
    } else {
        json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer" }] })
    }
}

fn item(input: &JsonInput<'_>) -> Value {
    let id = id(input);
    let dependencies = json!({ "anyOf": [id, array_of(&id)] });
    let mut required = vec!["method", "url"];
    if input.ids_are_strings {
        required.push("id");
    }
    let mut item = json!({
        "type": "object",
        "required": required,
        "properties": {
            "id": id,
            "method": { "type": "string" },
            "url": { "type": "string", "description": "A path with its query, or a url of the gateway." },
            "headers": fields(),
            "body": { "description": "JSON; text as a string; anything else as a string in base64." },
            "timeout": milliseconds(),
            "dependsOn": dependencies,
            "atomicityGroup": { "type": "string" },
            "if": { "type": "string", "description": "A condition of OData on the results of earlier items." },
        },
    });
    let properties = item.get_mut("properties").and_then(Value::as_object_mut);
    if let (Some(properties), Some(other)) = (properties, input.other_depends_on) {
        properties.insert(other.to_owned(), dependencies);
    }
    item
}

fn reply(input: &JsonInput<'_>, output: &JsonOutput) -> Value {
    let mut required = vec!["id", "status", "headers"];
    if !output.absent_body.is_empty() {
        required.push("body");
    }
    let mut result = json!({
        "type": "object",
        "required": required,
        "properties": { "id": id(input), "status": status(), "headers": fields(), "body": {} },
    });
    let mut reply = json!({
        "type": "object",
        "required": ["responses"],
        "properties": {},
    });
    let properties = result.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties {
        if output.echoes_group {
            properties.insert("atomicityGroup".to_owned(), json!({ "type": "string" }));
        }
        if output.own_members {
            properties.insert("outcome".to_owned(), outcome());
            properties.insert("retryable".to_owned(), json!({ "const": true }));
            properties.insert("encoding".to_owned(), json!({ "const": "base64" }));
        }
    }
    if let Some(members) = reply.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert("responses".to_owned(), array_of(&result));
        if output.own_members {
            members.insert("summary".to_owned(), summary());
        }
    }
    if output.own_members
        && let Some(required) = reply.get_mut("required").and_then(Value::as_array_mut)
    {
        required.push("summary".into());
    }
    reply
}

fn outcome() -> Value {
    let made = OutcomeKind::ALL.iter().filter(|kind| **kind != OutcomeKind::Answered);
    let words: Vec<_> = made.map(|kind| kind.as_str()).collect();
    json!({ "enum": words, "description": "Why the gateway made the status itself." })
}

fn summary() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    json!({ "type": "object", "required": ["items", "failed"], "properties": { "items": count, "failed": count } })
}

/// An item of APISIX and Tyk, whose url is in the member `url`. `own` are the members that only this dialect has.
pub(super) fn plain_item(url: &'static str, own: Value) -> Value {
    let text = json!({ "type": "string" });
    let mut item = json!({
        "type": "object",
        "required": [url],
        "properties": {
            "method": text,
            "headers": { "type": "object", "additionalProperties": text },
            "body": text,
            "encoding": { "const": "base64" },
        },
    });
    let members = item.get_mut("properties").and_then(Value::as_object_mut);
    if let (Some(members), Value::Object(own)) = (members, own) {
        members.extend(own);
    }
    item
}

/// An array.
pub(super) fn array_of(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A status of HTTP.
pub(super) fn status() -> Value {
    json!({ "type": "integer", "minimum": 100, "maximum": 599 })
}

/// A time limit.
pub(super) fn milliseconds() -> Value {
    json!({ "type": "integer", "minimum": 1, "description": "Milliseconds." })
}

/// Header fields. One that there are several of is a list.
pub(super) fn fields() -> Value {
    let text = json!({ "type": "string" });
    json!({ "type": "object", "additionalProperties": { "anyOf": [text, { "type": "array", "items": text }] } })
}
