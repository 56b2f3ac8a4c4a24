//! The operators' listener: the console, metrics, health, readiness, the configuration in use, targets, and the last batches.
//!
//! In: a request that [`PlainService`](crate::listener::plain_service::PlainService) has read. Out: its answer. It
//! reads the gateway's state, and changes only one thing: it takes targets out and puts them back (`targets`). The console
//! (`page`) is a page in the browser that asks it, and whose batches it sends to the front (`send`). Any program that
//! can reach this listener may read; changing something takes this machine or a token, and of web pages only the console may (`guard`).

mod batches;
mod guard;
mod metrics;
mod page;
mod send;
mod targets;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::format::Accept;
use crate::header::X_REQUEST_ID;
use crate::listener::plain_service::PlainHandler;
use crate::state::gateway::Gateway;
use crate::telemetry::RequestId;

use guard::Refusal;
use send::NotSent;

/// Answers operators.
pub(crate) struct Admin(pub(crate) Arc<Gateway>);

const TEXT: &str = "text/plain; charset=utf-8";

/// What `/readyz` says. `batchgate health` knows a gateway by it.
pub(crate) const READY: &[u8] = b"ready\n";
pub(crate) const DRAINING: &[u8] = b"draining\n";

const YAML: &str = "application/yaml";

const INDEX: &str = "batchgate\n\n\
    /          the console, in a browser\n\
    /metrics   for Prometheus\n\
    /healthz   200 while the process lives\n\
    /readyz    200 while it takes requests, 503 once it drains\n\
    /config    the configuration in use, without secrets\n\
    /targets   the state of each target; POST /targets/UPSTREAM/TARGET/out takes one out, …/in puts it back\n\
    /batches   the last batches, and when what happened to their items\n\
    /send      POST: sends a batch of the console to the gateway\n";
const JSON: &str = "application/json";

impl PlainHandler for Admin {
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request_id = HeaderValue::from_str(RequestId::from_headers(request.headers()).as_str());
        let mut reply = match (request.method(), request.uri().path()) {
            (&Method::POST, "/send") => self.send(&request).await,
            (_, "/send") => not_allowed("POST"),
            _ => self.find_answer(&request),
        };
        if let Ok(request_id) = request_id {
            reply.headers_mut().insert(X_REQUEST_ID, request_id);
        }
        reply
    }
}

impl Admin {
    async fn send(&self, request: &Request<Bytes>) -> Response<Bytes> {
        match send::send(&self.0.snapshot().settings, request).await {
            Ok(shown) => reply(StatusCode::OK, JSON, shown),
            Err(NotSent { status, text }) => reply(status, TEXT, text),
        }
    }

    fn find_answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if let (&Method::POST, Some(path)) =
            (request.method(), request.uri().path().strip_prefix("/targets/"))
        {
            let snapshot = self.0.snapshot();
            return match guard::may_write(request, snapshot.settings.console.token.as_ref()) {
                Ok(()) => {
                    let (status, text) = targets::switch(&snapshot, path);
                    reply(status, TEXT, text)
                }
                Err(refusal) => refused(refusal),
            };
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        let path = request.uri().path();
        let accept = Accept::from_headers(request.headers());
        let is_for_page =
            path == "/" && accept.prefers("text/html", "text/plain") || path.starts_with("/console/");
        if let Some(file) = Some(path).filter(|_| is_for_page).and_then(page::file) {
            return guarded(request, || file);
        }
        self.document(path, request)
    }

    /// What one may ask for with GET.
    fn document(&self, path: &str, request: &Request<Bytes>) -> Response<Bytes> {
        if let (Err(refusal), "/targets" | "/config") = (guard::may_look(request), path) {
            return refused(refusal);
        }
        match path {
            "/" => reply(StatusCode::OK, TEXT, INDEX),
            "/metrics" => metrics::answer(&self.0, request.headers()),
            "/targets" => reply(StatusCode::OK, JSON, targets::list(&self.0.snapshot())),
            "/batches" => guarded(request, || reply(StatusCode::OK, JSON, batches::list(&self.0.recent))),
            "/healthz" => reply(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.0.is_draining() => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, DRAINING),
            "/readyz" => reply(StatusCode::OK, TEXT, READY),
            "/config" if Accept::from_headers(request.headers()).prefers(JSON, YAML) => {
                reply(StatusCode::OK, JSON, self.0.snapshot().settings.shown_as_json())
            }
            "/config" => reply(StatusCode::OK, YAML, self.0.snapshot().settings.shown.clone()),
            _ => reply(StatusCode::NOT_FOUND, TEXT, INDEX),
        }
    }
}

/// The answer to a request whose Host is ours; otherwise a refusal.
fn guarded(request: &Request<Bytes>, answer: impl FnOnce() -> Response<Bytes>) -> Response<Bytes> {
    match guard::may_read(request) {
        Ok(()) => answer(),
        Err(refusal) => refused(refusal),
    }
}

fn not_allowed(allowed: &'static str) -> Response<Bytes> {
    let first = allowed.split(',').next().unwrap_or(allowed);
    let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("use {first}\n"));
    refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    refused
}

fn refused(refusal: Refusal) -> Response<Bytes> {
    reply(refusal.status, TEXT, refusal.text)
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
