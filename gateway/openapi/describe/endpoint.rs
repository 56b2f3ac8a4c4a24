//! A batch endpoint: POST sends a batch, GET asks for its limits.

use serde_json::{Value, json};

use super::content::Content;
use super::names::Names;
use super::replies;
use crate::config::{BatchEndpoint, OtherMethods, Settings};
use crate::plan::Preferences;
use crate::terminal::counted;

/// What there is at the endpoint's path.
pub(super) fn path(
    settings: &Settings,
    endpoint: &BatchEndpoint,
    content: &Content,
    names: &mut Names,
) -> Value {
    let path = endpoint.path.as_str();
    let mut item = json!({
        "parameters": parameters(endpoint),
        "post": {
            "operationId": names.name("send_batch", path),
            "summary": "Sends a batch",
            "description": about(endpoint),
            "parameters": [prefer()],
            "requestBody": { "required": true, "content": content.of_batch(endpoint) },
            "responses": replies::to_batch(settings, endpoint),
        },
    });
    let asks = json!({
        "operationId": names.name("limits", path),
        "summary": "Tells the limits, formats and defaults of the endpoint",
        "responses": replies::to_question(settings, endpoint),
    });
    match endpoint.other_methods {
        OtherMethods::Refuse => {
            if let Some(members) = item.as_object_mut() {
                members.insert("get".to_owned(), asks);
            }
        }
        // They are requests for a service.
        OtherMethods::Route => {}
    }
    item
}

fn about(endpoint: &BatchEndpoint) -> String {
    format!(
        "Dialect `{}`. {} At most {} and {}. The body may be compressed: `Content-Encoding: gzip`, `br` or `zstd`.",
        endpoint.dialect.name(),
        endpoint.dialect.summary(),
        counted(endpoint.limits.max_items as u64, "item", "items"),
        counted(endpoint.limits.max_body as u64, "byte", "bytes"),
    )
}

/// The parameters that tell a batch from other requests to the path.
fn parameters(endpoint: &BatchEndpoint) -> Vec<Value> {
    let parameter = |(name, value): (&String, &String)| json!({ "name": name, "in": "query", "required": true, "schema": { "const": value } });
    endpoint.query.iter().map(parameter).collect()
}

/// The preferences of a batch.
pub(super) fn prefer() -> Value {
    json!({
        "name": "Prefer",
        "in": "header",
        "description": format!("Preferences (RFC 7240): {}.", Preferences::KNOWN.map(|name| format!("`{name}`")).join(", ")),
        "schema": { "type": "string" },
        "example": "return=minimal",
    })
}
