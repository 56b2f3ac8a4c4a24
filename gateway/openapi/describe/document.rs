//! The document, with everything that its operations share.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::content::Content;
use super::names::Names;
use super::security::Security;
use super::{bulk, endpoint, replies};
use crate::config::Settings;
use crate::dialect::Dialect;
use crate::explain::Explanation;
use crate::format::json::ErrorForm;
use crate::serve::limits_schema;

/// An OpenAPI document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    security: Vec<Value>,
    paths: Map<String, Value>,
    components: Value,
}

/// Describes the endpoints of a gateway that clients reach at the url `server`.
#[must_use]
pub fn describe(settings: &Settings, server: &str) -> Document {
    let security = Security::new(settings);
    let content = Content::new(settings);
    let mut names = Names::default();
    let mut paths = Map::new();
    for endpoint in &settings.batch {
        let mut path = endpoint::path(settings, endpoint, &content, &mut names);
        security.say(&mut path, endpoint.auth.as_ref());
        paths.insert(endpoint.path.as_str().to_owned(), path);
    }
    for route in &settings.bulk {
        let mut path = bulk::path(settings, route, &mut names);
        security.say(&mut path, route.endpoint.auth.as_ref());
        paths.insert(route.endpoint.path.as_str().to_owned(), path);
    }
    let mut components =
        json!({ "schemas": schemas(settings), "responses": responses(settings), "headers": headers() });
    if let (Some(members), false) = (components.as_object_mut(), security.schemes.is_empty()) {
        members.insert("securitySchemes".to_owned(), security.schemes.clone().into());
    }
    Document {
        openapi: "3.1.1",
        info: json!({
            "title": "batchgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The batch endpoints and the bulk routes of a gateway. What is behind its routes is described by their services.",
        }),
        servers: json!([{ "url": server }]),
        security: security.alternatives(None),
        paths,
        components,
    }
}

/// The dialects whose endpoints there are. Bulk routes are in the gateway's own.
fn dialects(settings: &Settings) -> Vec<Dialect> {
    let all = settings.batch.iter().chain(settings.bulk.iter().map(|bulk| &bulk.endpoint));
    let mut dialects: Vec<Dialect> = Vec::new();
    for endpoint in all {
        if !dialects.contains(&endpoint.dialect) {
            dialects.push(endpoint.dialect);
        }
    }
    dialects
}

fn schemas(settings: &Settings) -> Map<String, Value> {
    let mut schemas = Map::new();
    for dialect in dialects(settings) {
        let (name, shapes) = (dialect.name(), dialect.shapes());
        schemas.insert(format!("{name}-batch"), shapes.batch());
        schemas.insert(format!("{name}-reply"), shapes.reply);
        schemas.insert(format!("{name}-error"), dialect.error_form().described().1);
    }
    schemas.insert("problem".to_owned(), ErrorForm::PROBLEM.described().1);
    schemas.insert("limits".to_owned(), limits_schema());
    schemas.insert("explanation".to_owned(), Explanation::schema());
    schemas
}

fn responses(settings: &Settings) -> Map<String, Value> {
    dialects(settings).into_iter().flat_map(|dialect| replies::shared(settings, dialect)).collect()
}

/// The fields that replies may have.
fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "X-Request-Id": text("Names the request in the gateway's log."),
        "Retry-After": {
            "description": "Seconds after which what may be sent once more can be.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "Proxy-Status": text("Why the gateway made the reply itself (RFC 9209)."),
        "Preference-Applied": text("The preferences of the request that were applied (RFC 7240)."),
        "WWW-Authenticate": text("How a client can say who it is."),
        "RateLimit": text("What is left of each rate limit."),
        "RateLimit-Policy": text("The rate limits that counted the request."),
    })
}
