//! The operators' listener: metrics, health, readiness, the configuration in use, and the targets.
//!
//! In: a request that [`PlainService`](crate::listener::plain_service::PlainService) has read. Out: its answer. It
//! reads the gateway's state, and changes only one thing: it takes targets out and puts them back (`targets`). It has
//! no authentication: any client that can reach this listener may use it.

mod targets;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::header::X_REQUEST_ID;
use crate::listener::plain_service::PlainHandler;
use crate::state::gateway::Gateway;
use crate::telemetry::RequestId;

/// Answers operators.
pub(crate) struct Admin(pub(crate) Arc<Gateway>);

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const YAML: &str = "application/yaml";

const INDEX: &str = "batchgate\n\n\
    /metrics   for Prometheus\n\
    /healthz   200 while the process lives\n\
    /readyz    200 while it takes requests, 503 once it drains\n\
    /config    the configuration in use, without secrets\n\
    /targets   the state of each target; POST /targets/UPSTREAM/TARGET/out takes one out, …/in puts it back\n";
const JSON: &str = "application/json";

impl PlainHandler for Admin {
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request_id = HeaderValue::from_str(RequestId::from_headers(request.headers()).as_str());
        let mut reply = self.find_answer(&request);
        if let Ok(request_id) = request_id {
            reply.headers_mut().insert(X_REQUEST_ID, request_id);
        }
        reply
    }
}

impl Admin {
    fn find_answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if let (&Method::POST, Some(path)) =
            (request.method(), request.uri().path().strip_prefix("/targets/"))
        {
            let (status, text) = targets::switch(&self.0.snapshot(), request, path);
            return reply(status, TEXT, text);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n");
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/" => reply(StatusCode::OK, TEXT, INDEX),
            "/metrics" => {
                targets::measure(&self.0.snapshot(), &self.0.metrics);
                reply(StatusCode::OK, METRICS, metrics(&self.0))
            }
            "/targets" => reply(StatusCode::OK, JSON, targets::list(&self.0.snapshot())),
            "/healthz" => reply(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.0.is_draining() => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n"),
            "/readyz" => reply(StatusCode::OK, TEXT, "ready\n"),
            "/config" => reply(StatusCode::OK, YAML, self.0.snapshot().settings.shown.clone()),
            _ => reply(StatusCode::NOT_FOUND, TEXT, INDEX),
        }
    }
}

fn metrics(gateway: &Gateway) -> Vec<u8> {
    gateway.metrics.set_buffers(gateway.memory.held(), gateway.memory.limit());
    gateway.metrics.exposition()
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
