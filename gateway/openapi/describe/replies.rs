//! The replies to a batch: its results, what `Prefer: handling=explain` says, and what it can be refused for.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::content::of_results;
use crate::config::{BatchEndpoint, Settings};
use crate::dialect::Dialect;
use crate::format::json::ErrorForm;
use crate::problem;

const XML_PROBLEM: &str = "application/problem+xml";
const EXPLANATION: &str = "#/components/schemas/explanation";

/// The replies to a batch at this endpoint.
pub(super) fn to_batch(settings: &Settings, endpoint: &BatchEndpoint) -> Map<String, Value> {
    let mut replies = refusals(settings, endpoint);
    replies.insert(
        StatusCode::OK.as_str().to_owned(),
        json!({
            "description": "What would happen to the batch, with `Prefer: handling=explain`. Nothing was sent.",
            "headers": fields(&["X-Request-Id", "Preference-Applied"]),
            "content": { "application/json": { "schema": { "$ref": EXPLANATION } } },
        }),
    );
    replies.insert(endpoint.reply_status.as_str().to_owned(), results(endpoint));
    replies
}

/// The replies to a request for the limits of an endpoint.
pub(super) fn to_question(settings: &Settings, endpoint: &BatchEndpoint) -> Map<String, Value> {
    let mut replies = refusals(settings, endpoint);
    replies.insert(
        StatusCode::OK.as_str().to_owned(),
        json!({
            "description": "The limits, formats and defaults of the endpoint.",
            "headers": fields(&["X-Request-Id"]),
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/limits" } } },
        }),
    );
    replies
}

fn results(endpoint: &BatchEndpoint) -> Value {
    let mut content = of_results(endpoint);
    if endpoint.reply_status == StatusCode::OK {
        let explanation = json!({ "$ref": EXPLANATION });
        let json = content.entry("application/json").or_insert_with(|| json!({ "schema": explanation }));
        let schema = json.get("schema").cloned().filter(|schema| *schema != explanation);
        if let Some(schema) = schema {
            *json = json!({ "schema": { "anyOf": [schema, explanation] } });
        }
    }
    json!({
        "description": "The batch was accepted; each item has a result of its own.",
        "headers": fields(&["X-Request-Id", "Preference-Applied", "Retry-After"]),
        "content": content,
    })
}

/// Refers to everything that the request can be refused for, by status.
fn refusals(settings: &Settings, endpoint: &BatchEndpoint) -> Map<String, Value> {
    let reply = |status: StatusCode| {
        let name = shared_name(endpoint.dialect, status);
        (status.as_str().to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }))
    };
    causes(settings).into_keys().map(reply).collect()
}

/// The refusals of a dialect, which all its endpoints share.
pub(super) fn shared(settings: &Settings, dialect: Dialect) -> Map<String, Value> {
    let reply = |(status, causes): (StatusCode, Vec<String>)| {
        let reply = json!({
            "description": format!("{}.", causes.join("; ")),
            "headers": fields(fields_of(status)),
            "content": errors(dialect),
        });
        (shared_name(dialect, status), reply)
    };
    causes(settings).into_iter().map(reply).collect()
}

fn shared_name(dialect: Dialect, status: StatusCode) -> String {
    format!("{}-{}", dialect.name(), status.as_str())
}

/// What can be wrong with a request, by status.
fn causes(settings: &Settings) -> BTreeMap<StatusCode, Vec<String>> {
    let happens = |status: StatusCode| match status {
        StatusCode::UNAUTHORIZED => settings.auth.is_some(),
        StatusCode::TOO_MANY_REQUESTS => !settings.rate_limits.is_empty(),
        // For the methods that are not described.
        StatusCode::METHOD_NOT_ALLOWED => false,
        _ => true,
    };
    let mut causes: BTreeMap<StatusCode, Vec<String>> = BTreeMap::new();
    for (status, reason, title) in problem::refusals().filter(|(status, _, _)| happens(*status)) {
        let cause = format!("{title} (`{reason}`)");
        let known = causes.entry(status).or_default();
        if !known.contains(&cause) {
            known.push(cause);
        }
    }
    causes
}

fn fields_of(status: StatusCode) -> &'static [&'static str] {
    match status {
        StatusCode::UNAUTHORIZED => &["X-Request-Id", "Proxy-Status", "WWW-Authenticate"],
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            &["X-Request-Id", "Proxy-Status", "Retry-After"]
        }
        _ => &["X-Request-Id", "Proxy-Status"],
    }
}

/// An error in the dialect's form, or a problem detail where the request broke before its endpoint was known.
fn errors(dialect: Dialect) -> Map<String, Value> {
    let (own, _) = dialect.error_form().described();
    let (problem, _) = ErrorForm::PROBLEM.described();
    let of_dialect = format!("#/components/schemas/{}-error", dialect.name());
    Map::from_iter([
        (problem.to_owned(), json!({ "schema": { "$ref": "#/components/schemas/problem" } })),
        (XML_PROBLEM.to_owned(), json!({ "schema": { "description": "The same as XML." } })),
        (own.to_owned(), json!({ "schema": { "$ref": of_dialect } })),
    ])
}

fn fields(names: &[&str]) -> Map<String, Value> {
    let field = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    names.iter().map(field).collect()
}
