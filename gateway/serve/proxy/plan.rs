//! The decisions about a request before anything of it is sent: its upstream, its path there, its `Destination` and `If`, how
//! its body is framed, and which protocol it needs. They hold for all attempts.

use http::header::{self, HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use crate::config::{self, RequestTrailers, UpstreamTimeouts};
use crate::header::changes::HeaderChanges;
use crate::header::forwarded::ForwardedBy;
use crate::problem::RequestRejection;
use crate::route::{
    CanonicalPath, Mapping, OriginText, ReferenceRules, RequestFacts, Route, RouteIndex, Strictness,
    UpstreamIndex, has_dav_replies,
};
use crate::session::{Session, StreamKind, announced_length};

use super::decoding::Decode;
use super::handshake::Handshake;
use super::upgrade::{WEBSOCKET, wanted_upgrade};
use super::upstream::{Framing, Needs};
use crate::serve::context::Context;
use crate::serve::grpc::is_grpc;
use crate::state::gateway::Gateway;
use crate::upstream::instance::Upstream;

/// How a request is forwarded.
pub(crate) struct ProxyPlan {
    pub(super) upstream: UpstreamIndex,
    pub(super) route: RouteIndex,
    pub(super) timeout: UpstreamTimeouts,
    /// The most bytes of a body that the route takes.
    pub(super) max_body: Option<usize>,
    /// How its body is decoded on the way, if it is.
    pub(super) decode: Option<Decode>,
    pub(super) mapping: Mapping,
    /// The upstream's path, where it is not the client's.
    pub(super) path: Option<String>,
    pub(super) references: Vec<(HeaderName, OriginText)>,
    pub(super) hop: ForwardedBy,
    /// The key for `consistent_hash`.
    pub(super) key: Vec<u8>,
    /// Whether hrefs in the reply's body are mapped: the service has other paths, and the method is one of
    /// WebDAV's. Other bodies are untouched.
    pub(super) maps_bodies: bool,
    pub(super) framing: Framing,
    /// Whether the upstream gets the request's trailers.
    pub(super) passes_trailers: bool,
    /// The protocol that the client wants to switch to (RFC 9110 §7.8).
    pub(super) upgrade: Option<HeaderValue>,
    /// The handshake that the gateway makes for a client with HTTP/2, which wants a WebSocket and makes none.
    pub(super) handshake: Option<Handshake>,
    pub(super) is_grpc: bool,
}

/// The route of a request, and where it leads.
#[derive(Clone, Copy)]
pub(crate) struct Way<'route> {
    pub(crate) index: RouteIndex,
    pub(crate) route: &'route Route,
    pub(crate) upstream: UpstreamIndex,
    pub(crate) mapping: &'route Mapping,
}

impl<'exchange> Job<'exchange> {
    /// The fields that the configuration sets and removes.
    pub(super) fn changes(self) -> &'exchange HeaderChanges {
        self.context.snapshot.settings.changes_of(Some(self.plan.route), &self.upstream.settings)
    }
}

/// A request that is forwarded, and everything that is known about it.
#[derive(Clone, Copy)]
pub(super) struct Job<'exchange> {
    pub(super) gateway: &'exchange Gateway,
    pub(super) upstream: &'exchange Upstream,
    pub(super) context: &'exchange Context,
    pub(super) plan: &'exchange ProxyPlan,
}

impl ProxyPlan {
    /// Decides how a request is forwarded.
    ///
    /// # Errors
    /// A reference in its fields leads elsewhere.
    #[inline(never)] // tests/benches/instructions.py finds it by its name
    pub(crate) fn new(
        session: &mut Session,
        context: &Context,
        path: &CanonicalPath,
        way: Way<'_>,
    ) -> Result<Self, RequestRejection> {
        let Way { index, route, upstream, mapping } = way;
        let decode = decode(session.req_header(), route)?;
        let framing = match framing(session) {
            // Its length shows when it has been decoded.
            Framing::Length(_) if decode.is_some() => Framing::Unknown,
            framing @ (Framing::None | Framing::Length(_) | Framing::Unknown) => framing,
        };
        let is_websocket = session.kind() == StreamKind::WebSocket;
        let request = session.req_header();
        let settings = &context.snapshot.settings;
        let timeout = settings.upstream(upstream).map(|upstream| settings.timeout_of(Some(index), upstream));
        Ok(Self {
            upstream,
            route: index,
            timeout: timeout.unwrap_or_default(),
            max_body: route.max_body,
            decode,
            mapping: mapping.clone(),
            maps_bodies: !mapping.is_identity() && has_dav_replies(&request.method),
            path: upstream_path(request, mapping),
            references: references(request, context, upstream)?,
            hop: context.caller.forwarded_by(&request.headers).behind(mapping),
            key: key(request, context, upstream, &mapping.to_upstream(path.as_written())),
            framing,
            passes_trailers: settings.upstream(upstream).is_some_and(passes_trailers),
            upgrade: if is_websocket { Some(WEBSOCKET) } else { wanted_upgrade(request) },
            handshake: is_websocket.then(Handshake::new),
            is_grpc: is_grpc(request),
        })
    }

    pub(super) const fn needs(&self) -> Needs {
        match (&self.upgrade, self.is_grpc) {
            (Some(_), _) => Needs::Http1,
            (None, true) => Needs::Http2,
            (None, false) => Needs::Any,
        }
    }
}

fn references(
    request: &RequestHeader,
    context: &Context,
    upstream: UpstreamIndex,
) -> Result<Vec<(HeaderName, OriginText)>, RequestRejection> {
    let rules = ReferenceRules {
        routes: &context.snapshot.settings.routes,
        facts: RequestFacts {
            authority: &context.caller.authority,
            method: &request.method,
            own: &[],
            shared: &request.headers,
        },
        upstream,
        strictness: Strictness::Proxied,
    };
    let mut references = Vec::new();
    for name in ["destination", "if"].map(HeaderName::from_static) {
        for value in request.headers.get_all(&name) {
            if let Some(mapped) = rules.map(&name, value) {
                references.push((name.clone(), mapped?));
            }
        }
    }
    Ok(references)
}

fn passes_trailers(upstream: &config::Upstream) -> bool {
    match upstream.request_trailers {
        RequestTrailers::Drop => false,
        RequestTrailers::Pass => true,
    }
}

/// How the body of a request is decoded, if its route does that.
fn decode(request: &RequestHeader, route: &Route) -> Result<Option<Decode>, RequestRejection> {
    match route.max_body.filter(|_| route.decompress_requests) {
        Some(limit) => Decode::of(&request.headers, limit),
        None => Ok(None),
    }
}

/// How the body that follows the head is framed.
fn framing(session: &mut Session) -> Framing {
    let is_done = session.is_body_done();
    let headers = &session.req_header().headers;
    match announced_length(headers) {
        Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
        None if headers.contains_key(header::TRANSFER_ENCODING) || session.is_http2() && !is_done => {
            Framing::Unknown
        }
        None => Framing::None,
    }
}

/// The key for `consistent_hash`.
fn key(request: &RequestHeader, context: &Context, upstream: UpstreamIndex, path: &str) -> Vec<u8> {
    let upstream = context.snapshot.upstream(upstream);
    upstream
        .map_or(Vec::new(), |upstream| upstream.hash_key(|name| request.headers.get(name), path).into_owned())
}

/// The path that the upstream gets, where it differs from the client's. The client's own spelling is kept, as signatures may
/// cover it. A url in absolute-form is for the gateway only; an upstream gets its path (RFC 9112 §3.2.1).
fn upstream_path(request: &RequestHeader, mapping: &Mapping) -> Option<String> {
    let raw = request.uri.path();
    if mapping.is_identity() {
        return (!request.raw_path().starts_with(b"/")).then(|| raw.to_owned());
    }
    Some(mapping.to_upstream(raw).into_owned())
}
