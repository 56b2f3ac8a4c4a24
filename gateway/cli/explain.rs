//! `batchgate explain`: reads a batch as the gateway would, plans it, and shows what would happen.

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};

use super::arguments::ExplainArguments;
use super::misuse::usage;
use super::request_parts::{field, type_by_ending};
use crate::admission::{Caller, ConnectionInfo};
use crate::batch::BatchRefusal;
use crate::config::{BatchEndpoint, Settings};
use crate::explain::{Audience, ExplainContext, Explanation, explain};
use crate::header::forwarded::ForwardedBy;
use crate::route::{CanonicalPath, Strictness, known_method};
use crate::serve::{BatchRequest, EntryPoint, Incoming, RouteTarget, Target};
use crate::telemetry::{PhaseTimes, TraceContext};
use crate::terminal::print_line;

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
    #[error(
        "the batch is multipart, whose boundary is said by the Content-Type, not by the file; add \
         --content-type 'multipart/mixed; boundary={boundary}'"
    )]
    NoBoundary { boundary: String },
    #[error("the batch would be refused: {0}")]
    Refused(#[from] BatchRefusal),
    #[error(
        "the request would pass through to the service as a single request: its query has none of the bulk template's variables"
    )]
    PassesThrough,
}

/// Explains a batch.
pub(super) fn run(arguments: &ExplainArguments) -> Result<(), Box<dyn Error>> {
    if [&arguments.file.config, &arguments.batch].iter().all(|file| file.as_os_str() == "-") {
        let message = "--config and the batch can't both be standard input; give the file of one of them";
        return Err(usage(message).into());
    }
    let settings = arguments.file.source()?.load()?.settings;
    let explanation =
        explained(arguments, &settings).map_err(|error| format!("batchgate explain: {error}"))?;
    if arguments.json {
        print_line(explanation.to_json().trim_end())?;
    } else {
        print_line(explanation)?;
    }
    Ok(())
}

fn explained(arguments: &ExplainArguments, settings: &Settings) -> Result<Explanation, ExplainError> {
    let head = head(arguments, settings)?;
    let entry = entry_point(settings, &head)?;
    let body = read(&arguments.batch)?;
    if let Some(boundary) = unsaid_boundary(&head.headers, &body) {
        return Err(ExplainError::NoBoundary { boundary });
    }
    let connection = ConnectionInfo::default();
    let caller = Arc::new(Caller::new(connection, &head, &settings.trusted_proxies, settings.forwarded));
    let trace = TraceContext::default();
    let incoming = Incoming { settings, entry, caller: &caller, trace, head: &head, as_sent: None };
    let request = BatchRequest::new(&incoming, body)?;
    let plan = request.plan_to_explain(settings, entry, &mut PhaseTimes::default())?;
    let context = ExplainContext {
        settings,
        endpoint: entry.endpoint,
        dialect: request.dialect,
        authority: &caller.authority,
        query: &request.query,
        arrival: request.arrival(),
        preferences: request.preferences,
        inherited: &request.inherited,
        hop: &ForwardedBy::default(),
        variables: caller.variables(),
        audience: Audience::Operator,
    };
    Ok(explain(plan, request.input, &context))
}

/// The endpoint that would receive the request.
fn entry_point<'settings>(
    settings: &'settings Settings,
    head: &Parts,
) -> Result<EntryPoint<'settings>, ExplainError> {
    let target = Target::find(settings, head).ok();
    if let Some(entry) = target.as_ref().and_then(Target::entry_point) {
        return Ok(entry);
    }
    if let Some(Target::Route(RouteTarget { is_bulk_path: true, .. })) = target {
        return Err(ExplainError::PassesThrough);
    }
    Err(not_an_entry_point(settings, head.uri.path(), &head.method))
}

fn not_an_entry_point(settings: &Settings, path: &str, method: &Method) -> ExplainError {
    let endpoints = settings.batch.iter().chain(settings.bulk.iter().map(|bulk| &bulk.endpoint));
    let known = endpoints.map(|endpoint| in_shell(&endpoint.url())).collect::<Vec<_>>().join(", ");
    ExplainError::Endpoint { path: path.to_owned(), method: method.clone(), known }
}

/// A word as a shell takes it: in quotes, unless nothing in it is special.
fn in_shell(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_');
    if word.bytes().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The head of the request that the arguments describe.
fn head(arguments: &ExplainArguments, settings: &Settings) -> Result<Parts, ExplainError> {
    let method = known_method(&arguments.method);
    let method = method.ok_or_else(|| ExplainError::Method(arguments.method.clone()))?;
    let target = target(arguments.endpoint.as_deref(), settings);
    let uri = target.parse::<Uri>().map_err(|_| not_an_entry_point(settings, &target, &method))?;
    let mut head = Request::new(()).into_parts().0;
    (head.method, head.uri, head.headers) = (method, uri, headers(arguments)?);
    if let Ok(host) = HeaderValue::from_str(&arguments.host) {
        head.headers.insert(header::HOST, host);
    }
    Ok(head)
}

/// Where the batch would be sent: to the first endpoint if none is given. The path of an endpoint is enough, even of one that
/// takes only requests with a certain query.
fn target(given: Option<&str>, settings: &Settings) -> String {
    let Some(given) = given else {
        return settings.batch.first().map(BatchEndpoint::url).unwrap_or_default();
    };
    let path = CanonicalPath::parse(given, Strictness::Proxied).ok().filter(|_| !given.contains('?'));
    let endpoint =
        path.and_then(|path| settings.batch_endpoint(&path)).filter(|found| !found.query.is_empty());
    endpoint.map_or_else(|| given.to_owned(), BatchEndpoint::url)
}

/// The request's fields. Content-Type comes from the file's extension if it is not given.
fn headers(arguments: &ExplainArguments) -> Result<HeaderMap, ExplainError> {
    let mut headers = HeaderMap::new();
    for line in &arguments.headers {
        let (name, value) = field(line).ok_or_else(|| ExplainError::Field(line.clone()))?;
        headers.append(name, value);
    }
    let by_ending = type_by_ending(&arguments.batch);
    let given = arguments.content_type.as_deref();
    let wanted = if headers.contains_key(header::CONTENT_TYPE) { given } else { given.or(by_ending) };
    if let Some(content_type) = wanted {
        let value = HeaderValue::from_str(content_type);
        headers.insert(
            header::CONTENT_TYPE,
            value.map_err(|_| ExplainError::Field(format!("Content-Type: {content_type}")))?,
        );
    }
    Ok(headers)
}

/// The boundary of a multipart body whose Content-Type is not given, or lacks the boundary.
fn unsaid_boundary(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let given = headers.get(header::CONTENT_TYPE).map_or(Some(""), |value| value.to_str().ok())?;
    let given = given.to_ascii_lowercase();
    let is_unsaid = given.is_empty() || given.starts_with("multipart/") && !given.contains("boundary=");
    let line = body.trim_ascii_start().strip_prefix(b"--")?.split(u8::is_ascii_whitespace).next()?;
    let boundary = std::str::from_utf8(line).ok().filter(|boundary| !boundary.is_empty())?;
    is_unsaid.then(|| boundary.to_owned())
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
