//! What requests and replies carry, by media type, with examples that a client can send as they are.

use serde_json::{Map, Value, json};

use crate::config::{BatchEndpoint, BulkRoute, Settings};
use crate::dialect::Shapes;
use crate::format::Format;
use crate::route::RouteAction;

/// Makes the contents. It has a path of the gateway that an example can use.
#[derive(Debug)]
pub(super) struct Content {
    path: String,
}

impl Content {
    pub(super) fn new(settings: &Settings) -> Self {
        let takes_items = |action: &RouteAction| matches!(action, RouteAction::Forward { .. });
        let mut routes = settings.routes.routes().iter();
        let route = routes.find(|route| route.batchable && takes_items(&route.action));
        let path = route.map_or("/", |route| route.path.as_str());
        let segment =
            |segment: &str| if segment.starts_with('{') { "1".to_owned() } else { segment.to_owned() };
        Self { path: path.split('/').map(segment).collect::<Vec<_>>().join("/") }
    }

    /// The batches that an endpoint takes.
    pub(super) fn of_batch(&self, endpoint: &BatchEndpoint) -> Map<String, Value> {
        let formats = endpoint.dialect.formats().iter();
        formats.map(|format| (format.media_type().to_owned(), self.batch_in(endpoint, *format))).collect()
    }

    fn batch_in(&self, endpoint: &BatchEndpoint, format: Format) -> Value {
        let path = &self.path;
        match format {
            Format::Json => {
                let shapes = endpoint.dialect.shapes();
                let name = endpoint.dialect.name();
                json!({
                    "schema": {
                        "$ref": format!("#/components/schemas/{name}-batch"),
                        "properties": { shapes.list: { "maxItems": endpoint.limits.max_items } },
                    },
                    "example": { shapes.list: [self.item(&shapes)] },
                })
            }
            Format::Xml => text(
                "The element `batch`, with a `request` for each item.",
                &format!("<batch><request id=\"1\" method=\"GET\" href=\"{path}\"/></batch>"),
            ),
            Format::Ndjson => text(
                "A line of JSON for each item. Answered as NDJSON, it is a stream: results leave as items end.",
                &format!("{{\"id\":\"1\",\"method\":\"GET\",\"url\":\"{path}\"}}\n"),
            ),
            Format::Multipart => text(
                "A part of `application/http` for each item. Content-Type names the boundary.",
                &format!(
                    "--batch\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\nGET {path} HTTP/1.1\r\n\r\n\r\n--batch--\r\n"
                ),
            ),
        }
    }

    /// An item of JSON that has the members which it must have.
    fn item(&self, shapes: &Shapes) -> Value {
        let required = shapes.item.get("required").and_then(Value::as_array);
        let names = required.into_iter().flatten().filter_map(Value::as_str);
        let value = |name: &str| match name {
            "id" => "1".to_owned(),
            "method" => "GET".to_owned(),
            _ => self.path.clone(),
        };
        names.map(|name| (name.to_owned(), value(name).into())).collect::<Map<_, _>>().into()
    }
}

/// The records that a bulk route takes in a body.
pub(super) fn of_records(bulk: &BulkRoute) -> Value {
    let variables: Vec<&str> = bulk.each.variables().iter().map(AsRef::as_ref).collect();
    let values = variables.iter().map(|name| ((*name).to_owned(), json!({ "type": ["string", "integer"] })));
    let record = json!({
        "type": "object",
        "required": variables,
        "properties": values.collect::<Map<_, _>>(),
    });
    let example: Map<_, _> = variables.iter().map(|name| ((*name).to_owned(), json!("1"))).collect();
    let line = Value::Object(example.clone()).to_string();
    let ones = vec!["1"; variables.len()].join(",");
    let columns = variables.join(",");
    let elements: Vec<_> = variables.iter().map(|name| format!("<{name}>1</{name}>")).collect();
    json!({
        "application/json": {
            "schema": { "type": "array", "maxItems": bulk.endpoint.limits.max_items, "items": record },
            "example": [example],
        },
        "application/x-ndjson": text("A record on each line.", &format!("{line}\n")),
        "text/csv": text("A record in each row, with a header line.", &format!("{columns}\n{ones}\n")),
        "application/xml": text(
            "Each child of the root is a record.",
            &format!(
                "<records><record>{}</record></records>",
                elements.concat(),
            ),
        ),
    })
}

/// The results of an accepted batch.
pub(super) fn of_results(endpoint: &BatchEndpoint) -> Map<String, Value> {
    let name = endpoint.dialect.name();
    let schema = |format: Format| match format {
        Format::Json => json!({ "schema": { "$ref": format!("#/components/schemas/{name}-reply") } }),
        Format::Xml => {
            described("A multistatus of WebDAV (RFC 4918), with an element `item` for each result.")
        }
        Format::Ndjson => described("A line of JSON for each result, and a last one with the summary."),
        Format::Multipart => described("A part of `application/http` for each result."),
    };
    let formats = endpoint.dialect.formats().iter();
    formats.map(|format| (format.media_type().to_owned(), schema(*format))).collect()
}

fn text(description: &str, example: &str) -> Value {
    json!({ "schema": { "type": "string", "description": description }, "example": example })
}

/// A text that only a reader of its format can judge.
fn described(description: &str) -> Value {
    json!({ "schema": { "description": description } })
}
