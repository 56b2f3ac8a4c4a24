//! The operations of a path: its methods, and what about them a gateway can't keep.

use http::Method;
use serde_json::Value;

use super::loss::Losses;
use super::source::{Place, Source};

/// The methods that OpenAPI has, as a path has them.
pub(super) const NAMES: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What an operation may have.
const KNOWN: [&str; 12] = [
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "deprecated",
    "security",
    "servers",
    "callbacks",
];

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Operation<'source> {
    pub(super) method: Method,
    pub(super) place: Place<'source>,
    /// Whether its client can send a key that lets the service recognize it if it is sent once more.
    pub(super) has_idempotency_key: bool,
}

/// The operations of a path that can be routed.
pub(super) fn read<'source>(
    source: &'source Source,
    path: &Place<'source>,
    losses: &mut Losses,
) -> Vec<Operation<'source>> {
    let shared = parameters(source, path, losses);
    let mut operations = Vec::new();
    for name in NAMES {
        let Some(place) = path.get(name) else { continue };
        if name == "trace" {
            losses.add(
                place.pointer,
                "TRACE is never passed on, because its reply would show the gateway's credentials",
            );
            continue;
        }
        losses.unknown_keys(&place, &KNOWN);
        if let Some(callbacks) = place.get("callbacks") {
            losses.add(
                callbacks.pointer,
                "the service makes these calls by itself; they do not pass the gateway",
            );
        }
        if let Some(servers) = place.get("servers") {
            let problem = "a route has one upstream for all methods; the operation goes to the path's server";
            losses.add(servers.pointer, problem);
        }
        let own = parameters(source, &place, losses);
        let has_idempotency_key = shared.iter().chain(&own).any(|parameter| is_idempotency_key(parameter));
        if let Ok(method) = Method::from_bytes(name.to_ascii_uppercase().as_bytes()) {
            operations.push(Operation { method, place, has_idempotency_key });
        }
    }
    operations
}

fn parameters<'source>(
    source: &'source Source,
    place: &Place<'source>,
    losses: &mut Losses,
) -> Vec<&'source Value> {
    let mut found = Vec::new();
    for parameter in place.get("parameters").iter().flat_map(Place::elements) {
        let pointer = parameter.pointer.clone();
        match source.resolved(parameter) {
            Ok(parameter) => found.push(parameter.value),
            Err(problem) => losses.add(pointer, problem),
        }
    }
    found
}

fn is_idempotency_key(parameter: &Value) -> bool {
    let is = |key, expected: &str| {
        parameter.get(key).and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case(expected))
    };
    is("in", "header") && (is("name", "Idempotency-Key") || is("name", "Repeatability-Request-ID"))
}
