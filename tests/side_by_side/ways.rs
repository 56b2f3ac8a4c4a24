//! The other ways to ask the gateway for the same: over HTTP/2, and as an item of a batch.

use std::net::SocketAddr;

use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::case::{Asked, Case};
use super::proxies::text;
use crate::harness::http2::{Call, Http2Client, Http2Reply};
use crate::harness::{Reply, Request};

/// Fields of requests that are about the connection, or that say how a body is framed.
const HOP: [&str; 7] =
    ["Connection", "Upgrade", "Keep-Alive", "TE", "Transfer-Encoding", "Content-Length", "Expect"];

/// A request that every version of HTTP can say.
struct Said<'case> {
    method: &'case str,
    target: &'case str,
    host: String,
    fields: Vec<(&'case str, String)>,
    body: Option<String>,
}

/// `None`: it is about the connection, about framing, or is none.
fn said<'case>(case: &Case, asked: &'case Asked) -> Option<Said<'case>> {
    let (method, target) = asked.line.split_once(' ')?;
    let is_usual = target.starts_with('/') && !target.contains(' ') && method != "CONNECT";
    let is_usual = is_usual && asked.fields.iter().filter(|(name, _)| name == "Host").count() < 2;
    method.parse::<Method>().ok().filter(|_| is_usual)?;
    let mut said = Said { method, target, host: case.host(), fields: Vec::new(), body: None };
    for (name, value) in &asked.fields {
        let value = text(&value.replace("$HOST", &case.host()));
        match name.as_str() {
            "Host" => {
                value.parse::<Authority>().ok()?;
                said.host = value;
            }
            "body" | "chunked" => said.body = Some(value),
            name if HOP.contains(&name) => return None,
            name => {
                name.parse::<HeaderName>().ok()?;
                value.parse::<HeaderValue>().ok()?;
                said.fields.push((name, value));
            }
        }
    }
    Some(said)
}

pub(super) fn over_http2(case: &Case, asked: &Asked, gateway: SocketAddr) -> Option<Reply> {
    let Said { method, target, host, fields, body } = said(case, asked)?;
    let call = Call::new(method, target).authority(&host);
    let call = fields.iter().fold(call, |call, (name, value)| call.header(name, value));
    let call = body.iter().fold(call, |call, body| call.body(body.as_bytes()));
    let Http2Reply { status, headers, body, trailers, .. } = Http2Client::connect(gateway).call(&call);
    Some(Reply { version: "HTTP/2".to_owned(), status, headers, body, trailers })
}

/// `None` also where items have a rule of their own: the case says so, browsers send no preflights for them, and more urls are
/// refused.
pub(super) fn as_item(case: &Case, asked: &Asked, gateway: SocketAddr) -> Option<Reply> {
    let Said { method, target, host, mut fields, body } = said(case, asked)?;
    let is_preflight = fields.iter().any(|(name, _)| *name == "Access-Control-Request-Method");
    if is_preflight || !asked.items.is_empty() {
        return None;
    }
    if body.is_some() {
        fields.push(("Content-Type", "text/plain".to_owned()));
    }
    let mut headers = serde_json::Map::new();
    for (name, value) in fields {
        let values = headers.entry(name).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(json!(value));
    }
    let mut item = json!({"method": method, "url": target, "headers": headers});
    if let Some(body) = body {
        item["body"] = json!(body);
    }
    let batch = Request::batch(&json!({"requests": [item]})).header("Host", &host);
    let result = batch.send(gateway).only_result();
    let status = u16::try_from(result["status"].as_u64().unwrap()).unwrap();
    let fields = result["headers"].as_object().unwrap().iter().flat_map(|(name, value)| {
        let values = value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
        values.into_iter().map(move |value: Value| (name.clone(), value.as_str().unwrap().to_owned()))
    });
    let is_refused = status == 400 && result["outcome"] == "rejected";
    let version = "an item".to_owned();
    (!is_refused).then(|| Reply {
        version,
        status,
        headers: fields.collect(),
        body: Vec::new(),
        trailers: Vec::new(),
    })
}
