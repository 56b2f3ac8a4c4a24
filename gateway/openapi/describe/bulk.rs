//! A bulk route: each of its methods brings records, in the body or in a query parameter.

use http::Method;
use serde_json::{Map, Value, json};

use super::content::of_records;
use super::endpoint::prefer;
use super::names::Names;
use super::replies;
use crate::config::{BulkRoute, Settings};
use crate::format::takes_query;
use crate::terminal::counted;

/// The methods that OpenAPI 3.1 has.
const DESCRIBED: [Method; 8] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
    Method::HEAD,
    Method::PATCH,
    Method::TRACE,
];

/// What there is at the route's path.
pub(super) fn path(settings: &Settings, bulk: &BulkRoute, names: &mut Names) -> Value {
    let (described, others): (Vec<_>, Vec<_>) =
        bulk.methods.iter().partition(|method| DESCRIBED.contains(method));
    let operations = described
        .into_iter()
        .map(|method| (method.as_str().to_ascii_lowercase(), operation(settings, bulk, method, names)));
    let mut item: Map<String, Value> = operations.collect();
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|method| method.as_str()).collect();
        let about =
            format!("Takes records with {} as well, which OpenAPI 3.1 has no word for.", others.join(", "));
        item.insert("description".to_owned(), about.into());
    }
    item.into()
}

fn operation(settings: &Settings, bulk: &BulkRoute, method: &Method, names: &mut Names) -> Value {
    let what = method.as_str().to_ascii_lowercase();
    let mut parameters = vec![prefer()];
    let mut operation = json!({
        "operationId": names.name(&what, bulk.endpoint.path.as_str()),
        "summary": format!("{method} {} for each record", bulk.each.as_str()),
        "description": format!(
            "At most {} and {}. Each becomes a request of its own.",
            counted(bulk.endpoint.limits.max_items as u64, "record", "records"),
            counted(bulk.endpoint.limits.max_body as u64, "byte", "bytes"),
        ),
        "responses": replies::to_batch(settings, &bulk.endpoint),
    });
    let Some(members) = operation.as_object_mut() else { return operation };
    if takes_query(method) {
        parameters.extend(bulk.each.variables().iter().map(|name| {
            json!({
                "name": name,
                "in": "query",
                "required": true,
                "style": "form",
                "explode": false,
                "description": "The records. Without it the request is for the service behind the path.",
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": bulk.endpoint.limits.max_items,
                    "items": { "type": "string", "minLength": 1 },
                },
                "example": ["1"],
            })
        }));
    } else {
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": of_records(bulk) }));
    }
    members.insert("parameters".to_owned(), parameters.into());
    operation
}
