//! The replies to a batch: its results, what `Prefer: handling=explain` says, and what it can be refused for.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
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
            "headers": fields(settings, endpoint.dialect, &["Preference-Applied"]),
            "content": { "application/json": { "schema": { "$ref": EXPLANATION } } },
        }),
    );
    replies.insert(endpoint.reply_status.as_str().to_owned(), results(settings, endpoint));
    replies
}

/// The replies to a request for the limits of an endpoint.
pub(super) fn to_question(settings: &Settings, endpoint: &BatchEndpoint) -> Map<String, Value> {
    let mut replies = refusals(settings, endpoint);
    replies.insert(
        StatusCode::OK.as_str().to_owned(),
        json!({
            "description": "The limits, formats and defaults of the endpoint.",
            "headers": fields(settings, endpoint.dialect, &[]),
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/limits" } } },
        }),
    );
    replies
}

fn results(settings: &Settings, endpoint: &BatchEndpoint) -> Value {
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
        "headers": fields(settings, endpoint.dialect, &["Preference-Applied", "Retry-After"]),
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
            "headers": fields_of_error(settings, dialect, status),
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

fn fields_of_error(settings: &Settings, dialect: Dialect, status: StatusCode) -> Map<String, Value> {
    let mut fields = match status {
        StatusCode::UNAUTHORIZED => fields(settings, dialect, &["Proxy-Status", "WWW-Authenticate"]),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            fields(settings, dialect, &["Proxy-Status", "Retry-After"])
        }
        _ => fields(settings, dialect, &["Proxy-Status"]),
    };
    let code = dialect.error_form().code_field;
    fields.extend(code.map(|name| (name.to_owned(), text("The code of the error."))));
    fields
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

/// Fields of a reply: those of every reply, of the dialect and of the rate limits, and these.
fn fields(settings: &Settings, dialect: Dialect, names: &[&str]) -> Map<String, Value> {
    let shared =
        |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    let limits: &[&str] =
        if settings.rate_limits.is_empty() { &[] } else { &["RateLimit", "RateLimit-Policy"] };
    let of_dialect = dialect.reply_fields(&HeaderMap::new());
    let of_dialect = of_dialect
        .iter()
        .map(|(name, _)| (name.as_str().to_owned(), text("What the dialect's clients look for.")));
    ["X-Request-Id"].iter().chain(limits).chain(names).map(shared).chain(of_dialect).collect()
}

fn text(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}
