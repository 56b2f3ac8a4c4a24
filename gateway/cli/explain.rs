//! `batchgate explain`: reads a batch as the gateway would, plans it, and shows what would happen.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::arguments::ExplainArguments;
use crate::batch::BatchRefusal;
use crate::config::{self, BatchEndpoint, Settings};
use crate::explain::{Audience, ExplainContext, Explanation, explain};
use crate::format::{BodyKind, Bulk, ReadContext, decode_batch};
use crate::header::forwarded::ForwardedBy;
use crate::header::inherit::inherited_fields;
use crate::plan::{PlanContext, Preferences, plan};
use crate::route::{CanonicalPath, RouteIndex, Strictness, known_method};
use crate::terminal::{print_error, print_line};

/// Media types by file extension.
const EXTENSIONS: [(&str, &str); 6] = [
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("ndjson", "application/x-ndjson"),
    ("jsonl", "application/x-ndjson"),
    ("csv", "text/csv"),
    ("txt", "text/plain"),
];

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error("can't read the batch {0}: {1}")]
    Unreadable(String, std::io::Error),
    #[error("`{0}` is not a header field; write -H 'Name: value'")]
    Field(String),
    #[error("`{0}` is not an HTTP method; write --method PATCH, for example")]
    Method(String),
    #[error(
        "`{path}` is neither a batch endpoint nor a bulk route that accepts {method}; --endpoint can be: {known}"
    )]
    Endpoint { path: String, method: Method, known: String },
    #[error("the batch would be refused: {0}")]
    Refused(#[from] BatchRefusal),
    #[error(
        "the request would be forwarded to the service as a single request: its query has none of the bulk template's variables"
    )]
    PassesThrough,
}

/// Explains a batch.
pub(super) fn run(arguments: &ExplainArguments) -> ExitCode {
    let settings = match config::load(&arguments.file.config) {
        Ok(loaded) => loaded.settings,
        Err(diagnostics) => {
            print_error(diagnostics);
            return ExitCode::FAILURE;
        }
    };
    match explained(arguments, &settings) {
        Ok(explanation) if arguments.json => print_line(explanation.to_json().trim_end()),
        Ok(explanation) => print_line(explanation),
        Err(error) => {
            print_error(format_args!("batchgate explain: {error}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn explained(arguments: &ExplainArguments, settings: &Settings) -> Result<Explanation, ExplainError> {
    let headers = headers(arguments)?;
    let method = known_method(&arguments.method);
    let method = method.ok_or_else(|| ExplainError::Method(arguments.method.clone()))?;
    let target = arguments.endpoint.clone().unwrap_or_else(|| first_endpoint(settings));
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (endpoint, intake, only_route) = place(settings, path, query, &method)?;
    let body = read(&arguments.batch)?;
    if body.len() > endpoint.limits.max_body {
        return Err(BatchRefusal::BodyTooLarge { limit: endpoint.limits.max_body }.into());
    }
    let field = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let coding = field(header::CONTENT_ENCODING).unwrap_or_default();
    let body = decode_batch(coding, body, endpoint.limits.max_body)?;
    let form = intake.form(field(header::CONTENT_TYPE), &body, endpoint.dialect)?;
    let context = ReadContext {
        limits: &endpoint.limits,
        content_type: field(header::CONTENT_TYPE),
        endpoint: endpoint.path.as_str(),
        own_authority: &arguments.host,
        dialect: endpoint.dialect,
    };
    let batch = intake.read(form, &body, &context)?;
    let context = PlanContext {
        routes: &settings.routes,
        own_authority: &arguments.host,
        is_batch_endpoint: &|path| settings.batch_endpoint(path).is_some(),
        only_route,
    };
    let plan = plan(batch, &context)?;
    let context = ExplainContext {
        settings,
        endpoint,
        preferences: Preferences::parse(&headers),
        inherited: &inherited_fields(&headers, endpoint.inherit.as_deref(), endpoint.dialect),
        hop: &ForwardedBy::default(),
        audience: Audience::Operator,
    };
    Ok(explain(plan, form, &context))
}

type Where<'a> = (&'a BatchEndpoint, BodyKind<'a>, Option<RouteIndex>);

/// The endpoint that would receive the request.
fn place<'a>(
    settings: &'a Settings,
    path: &str,
    query: &'a str,
    method: &'a Method,
) -> Result<Where<'a>, ExplainError> {
    let canonical = CanonicalPath::parse(path, Strictness::Proxied).ok();
    let endpoint = canonical.as_ref().and_then(|path| settings.batch_endpoint(path));
    if let Some(endpoint) = endpoint {
        return Ok((endpoint, BodyKind::Batch, None));
    }
    let bulk_route = canonical.as_ref().and_then(|path| settings.bulk_route(path, method));
    let Some(route) = bulk_route else {
        let paths = settings.batch.iter().chain(settings.bulk.iter().map(|bulk| &bulk.endpoint));
        let known = paths.map(|endpoint| endpoint.path.as_str()).collect::<Vec<_>>().join(", ");
        return Err(ExplainError::Endpoint { path: path.to_owned(), method: method.clone(), known });
    };
    let bulk = Bulk { each: &route.each, method, query };
    if !bulk.is_meant() {
        return Err(ExplainError::PassesThrough);
    }
    Ok((&route.endpoint, BodyKind::Bulk(bulk), Some(route.route)))
}

fn first_endpoint(settings: &Settings) -> String {
    settings.batch.first().map(|endpoint| endpoint.path.as_str().to_owned()).unwrap_or_default()
}

/// The request's fields. Content-Type comes from the file's extension if it is not given.
fn headers(arguments: &ExplainArguments) -> Result<HeaderMap, ExplainError> {
    let mut headers = HeaderMap::new();
    for line in &arguments.headers {
        let (name, value) = field(line).ok_or_else(|| ExplainError::Field(line.clone()))?;
        headers.append(name, value);
    }
    let ending = arguments.batch.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let by_ending = EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending));
    let given = arguments.content_type.as_deref();
    let wanted =
        if headers.contains_key(header::CONTENT_TYPE) { given } else { given.or(by_ending.map(|(_, t)| *t)) };
    if let Some(content_type) = wanted {
        let value = HeaderValue::from_str(content_type);
        headers.insert(
            header::CONTENT_TYPE,
            value.map_err(|_| ExplainError::Field(format!("Content-Type: {content_type}")))?,
        );
    }
    Ok(headers)
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

fn read(file: &Path) -> Result<Bytes, ExplainError> {
    let failure = |error| ExplainError::Unreadable(file.display().to_string(), error);
    if file.as_os_str() != "-" {
        return std::fs::read(file).map(Bytes::from).map_err(failure);
    }
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body).map_err(failure)?;
    Ok(body.into())
}
