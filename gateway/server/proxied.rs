//! Ordinary proxying: what happens to a request that is no batch, and to its reply. The same rules as
//! for items hold (protocol §1): fields of the hop, `Destination` and `If`, urls mapped back.

mod context;
mod reply;
mod retry;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use crate::batch::{ItemRejection, is_forbidden_in_item};
use crate::clock::Deadline;
use crate::dispatch::{CallFailure, Flow, Gate, QueueFull, Sent, Turn};
use crate::plan::{ForwardedBy, joined_cookies, same_to_cgi};
use crate::route::{
    CanonicalPath, Mapping, OriginText, Strictness, UpstreamIndex, map_reference, same_authority,
};
use crate::stitch::problem::{self, Verdict};

use super::admission::withheld;
use super::balance::{Lease, hash_key};
use super::door::ClientConnection;
use super::engine::Queued;
use super::failure;
use super::forwarding::{host_of, origin_of};
use super::snapshot::UpstreamState;
use super::time_limit;

pub(super) use context::Context;
pub(super) use reply::{response, response_body, suit_http_1_0};
pub(super) use retry::{answered, connect_failed, exchange_failed};

use retry::Attempts;

/// How a request is proxied.
pub(super) struct Proxied {
    upstream: UpstreamIndex,
    mapping: Mapping,
    /// The upstream's path, where it is not the client's.
    path: Option<String>,
    references: Vec<(HeaderName, OriginText)>,
    hop: ForwardedBy,
    /// Held until the end of the reply: until then the service has a connection open for it.
    _turn: Option<Turn<Arc<Gate>>>,
    /// When `timeout.request` is over, once the turn has come.
    ends: Option<Deadline>,
    lease: Option<Lease>,
    /// What `consistent_hash` goes by.
    key: Vec<u8>,
    tried: Vec<SocketAddr>,
    /// A target was chosen for it.
    is_tried: bool,
    attempts: Attempts,
    connect_failure: Option<CallFailure>,
    /// Whether hrefs in the reply's body are mapped: the prefix is stripped, and the method is one of
    /// WebDAV's. Other bodies are untouched.
    maps_bodies: bool,
    /// The DAV body whose hrefs are to be mapped, as far as it has come.
    mapped_body: Option<BytesMut>,
}

/// Decides how a request is proxied.
pub(super) fn prepare(
    session: &Session,
    context: &Context,
    path: &CanonicalPath,
    to: (UpstreamIndex, &Mapping),
) -> Result<Proxied, ItemRejection> {
    let (upstream, mapping) = to;
    let request = session.req_header();
    let own = |authority: &str| same_authority(authority, &context.reached.authority);
    let mut references = Vec::new();
    for (name, field) in
        [(HeaderName::from_static("destination"), "Destination"), (HeaderName::from_static("if"), "If")]
    {
        let Some(value) = request.headers.get(&name) else { continue };
        let refuse = |problem| ItemRejection::ForbiddenReference { field, problem };
        let text = value.to_str().map_err(|_| refuse("has characters that a url can't have"))?;
        let routes = &context.snapshot.settings.routes;
        let mapped = map_reference((field, text), routes, own, upstream, Strictness::Proxied);
        references.push((name, mapped.map_err(refuse)?));
    }
    Ok(Proxied {
        upstream,
        mapping: mapping.clone(),
        maps_bodies: !mapping.is_identity() && !is_plain_http(&request.method),
        path: upstream_path(request, path, mapping),
        references,
        hop: context.reached.forwarded_by(&request.headers, &context.request_id).behind(mapping),
        _turn: None,
        ends: None,
        lease: None,
        key: key(request, context, upstream, mapping.to_upstream(path.as_str())),
        tried: Vec::new(),
        is_tried: false,
        attempts: Attempts::default(),
        connect_failure: None,
        mapped_body: None,
    })
}

/// Takes the request's turn at its upstream, which it shares with batches: whoever sends one by one
/// waits no longer, and gets no more, than whoever sends a batch.
pub(super) async fn take_turn(context: &Context, proxied: Proxied) -> Result<Proxied, CallFailure> {
    let Some(upstream) = context.snapshot.upstream(proxied.upstream) else { return Ok(proxied) };
    let flow = Flow::new(context.reached.client());
    upstream.retry_budget.count_call();
    let turn = match Gate::try_enter(Arc::clone(&upstream.gate), &flow) {
        Some(turn) => turn,
        None => wait_for_turn(upstream, &flow).await?,
    };
    let ends = Deadline::after(upstream.settings.timeout.request);
    time_limit::set(ends);
    Ok(Proxied { _turn: Some(turn), ends: Some(ends), ..proxied })
}

async fn wait_for_turn(upstream: &UpstreamState, flow: &Flow) -> Result<Turn<Arc<Gate>>, CallFailure> {
    let _queued = Queued::new(upstream);
    let turn = Gate::enter(Arc::clone(&upstream.gate), flow);
    match Deadline::after(upstream.settings.timeout.item).race(turn).await {
        Some(turn) => turn.map_err(|QueueFull| CallFailure::QueueFull),
        None => Err(CallFailure::QueueTimeout),
    }
}

fn key(request: &RequestHeader, context: &Context, upstream: UpstreamIndex, path: &str) -> Vec<u8> {
    let header = context.snapshot.upstream(upstream).and_then(|upstream| upstream.targets.hash_header());
    hash_key(header.and_then(|name| request.headers.get(name)), path).to_vec()
}

/// The methods of RFC 9110 and RFC 5789, whose replies are no DAV documents (but for DELETE's: RFC 4918
/// §9.6.1).
fn is_plain_http(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "OPTIONS" | "TRACE")
}

/// The path that the upstream gets, where it differs from the client's. The client's own spelling is
/// kept (signatures may cover it) unless the prefix is spelt in another way than configured. A url
/// in absolute-form is for the gateway only; an upstream gets its path (RFC 9112 §3.2.1).
fn upstream_path(request: &RequestHeader, canonical: &CanonicalPath, mapping: &Mapping) -> Option<String> {
    let raw = request.uri.path();
    if mapping.is_identity() {
        return (!request.raw_path().starts_with(b"/")).then(|| raw.to_owned());
    }
    let stripped = mapping.to_upstream(raw);
    let kept = if stripped.len() < raw.len() { stripped } else { mapping.to_upstream(canonical.as_str()) };
    Some(kept.to_owned())
}

/// From here on the request's body, where it has one, has to keep to its rate. An upgraded connection
/// (RFC 9110 §7.8) has none.
pub(super) fn expect_body(session: &mut Session) {
    if session.is_upgrade_req() {
        return;
    }
    if let ServerSession::H1(http1) = session.as_downstream_mut()
        && !http1.is_body_done()
    {
        ClientConnection::expect_body(http1.stream());
    }
}

/// What is read from here on, until the next request, has no limit.
pub(super) fn body_is_whole(session: &Session) {
    if let ServerSession::H1(http1) = session.as_downstream() {
        ClientConnection::unwatch(http1.stream());
    }
}

/// The next target, after the pause that a retry wants.
pub(super) async fn choose(context: &mut Context) -> pingora::Result<Box<HttpPeer>> {
    let (Some(proxied), snapshot) = (&mut context.proxied, &context.snapshot) else {
        return Error::e_explain(ErrorType::InternalError, "no route was chosen");
    };
    if let Some(pause) = proxied.attempts.pause.take() {
        Deadline::after(pause).come().await;
    }
    let next = snapshot
        .upstream(proxied.upstream)
        .map_or(Err(CallFailure::NoTarget), |upstream| upstream.targets.next(&proxied.tried, &proxied.key));
    let lease = match next {
        Ok(lease) => lease,
        Err(why_none) => {
            proxied.connect_failure.get_or_insert(why_none);
            return Error::e_explain(ErrorType::ConnectError, "the upstream has no target");
        }
    };
    proxied.is_tried = true;
    proxied.tried.push(lease.peer().address);
    let http = lease.peer().http.clone();
    proxied.lease = Some(lease);
    Ok(Box::new(http))
}

/// Completes the request to the upstream.
pub(super) fn request(
    session: &Session,
    request: &mut RequestHeader,
    context: &Context,
) -> pingora::Result<()> {
    let Some(proxied) = &context.proxied else { return Ok(()) };
    let (Some(lease), Some(upstream)) = (&proxied.lease, context.snapshot.upstream(proxied.upstream)) else {
        return Ok(());
    };
    let peer = lease.peer();
    if let Some(path) = &proxied.path {
        let query = session.req_header().uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        request.set_raw_path(format!("{path}{query}").as_bytes())?;
    }
    let settings = &upstream.settings;
    request.remove_header(&header::EXPECT);
    for name in
        of_the_gateway(&request.headers, context).into_iter().chain(claims_of_the_hop(&request.headers))
    {
        request.remove_header(&name);
    }
    if let Some(cookie) = joined_cookies(&request.headers) {
        request.insert_header(header::COOKIE, cookie)?;
    }
    if let Some(forwards) = max_forwards(session.req_header()) {
        request.insert_header(header::MAX_FORWARDS, forwards.saturating_sub(1))?;
    }
    for name in &settings.headers.remove {
        request.remove_header(name);
    }
    let own_authority = &context.reached.authority;
    request.insert_header(header::HOST, host_of(&settings.host, peer, own_authority))?;
    for (name, value) in settings.headers.set.iter().chain(&proxied.hop.fields) {
        request.insert_header(name.clone(), value.clone())?;
    }
    if let Some(trace) = context.trace.of_call() {
        request.insert_header("traceparent", trace)?;
    } else {
        request.remove_header("traceparent");
        request.remove_header("tracestate");
    }
    for (name, text) in &proxied.references {
        request
            .insert_header(name.clone(), text.with_origin(&origin_of(&settings.host, peer, own_authority)))?;
    }
    if proxied.maps_bodies {
        // A body whose hrefs are to be mapped has to be readable.
        request.remove_header(&header::ACCEPT_ENCODING);
    }
    Ok(())
}

/// The client's credential for the gateway, and what only the service that knows clients may say, also
/// spelt with underscores.
fn of_the_gateway(fields: &HeaderMap, context: &Context) -> Vec<HeaderName> {
    let withheld = || withheld(&context.snapshot.settings, &context.reached.identity);
    fields.keys().filter(|name| withheld().any(|other| same_to_cgi(other, name))).cloned().collect()
}

/// The fields that only a gateway may say, not a client (protocol §1); those that are appended to are
/// written anew with all their values.
fn claims_of_the_hop(fields: &HeaderMap) -> Vec<HeaderName> {
    let is_claim = |name: &&HeaderName| {
        let text = name.as_str();
        is_forbidden_in_item(name)
            && (text.contains('_')
                || text.starts_with("x-forwarded-")
                || matches!(text, "forwarded" | "x-real-ip"))
    };
    fields.keys().filter(is_claim).cloned().collect()
}

/// How often a TRACE or OPTIONS request may still be forwarded, where it says so (RFC 9110 §7.6.2).
pub(super) fn max_forwards(request: &RequestHeader) -> Option<u64> {
    let counts = matches!(request.method, Method::TRACE | Method::OPTIONS);
    let value = request.headers.get(header::MAX_FORWARDS).filter(|_| counts)?;
    value.to_str().ok()?.trim().parse().ok()
}

/// What an upstream's failure means for the client.
pub(super) fn verdict(session: &Session, error: &Error, context: &Context) -> Verdict {
    let proxied = context.proxied.as_ref();
    let connect_failure = proxied.and_then(|proxied| proxied.connect_failure);
    let was_sent = proxied.is_some_and(|proxied| proxied.attempts.was_sent);
    let sent = if was_sent { Sent::Maybe } else { Sent::No };
    let method: &Method = &session.req_header().method;
    match connect_failure {
        _ if context.is_over_time() => problem::of_failure(CallFailure::RequestTimeout, Sent::Maybe, method),
        Some(failure) if failure::is_connect(error) => problem::of_failure(failure, sent, method),
        Some(_) | None => problem::of_failure(failure::of_exchange(error), Sent::Maybe, method),
    }
}

/// Whether nothing follows this head but its body: interim replies (RFC 9110 §15.2) are followed by another.
pub(super) fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}
