//! The head of a forwarded request as its upstream gets it. Fields of the hop are removed, fields that only the gateway may
//! set are replaced, and the rest stays as the client wrote it.
//!
//! What becomes of the fields is decided once, for both versions of HTTP ([`Edits`]). Over HTTP/1.1 the head is then written line by
//! line; nothing is built that would be taken apart again.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};

use crate::admission::withheld;
use crate::header::changes::HeaderChanges;
use crate::header::field::is_forbidden_in_item;
use crate::header::hop::{Kept, connection_options, hop_by_hop_fields, max_forwards, takes_trailers};
use crate::header::inherit::{joined_cookies, same_to_cgi};
use crate::header::spelling::Spellings;
use crate::telemetry::{CallSpan, TRACEPARENT, TRACESTATE};
use crate::transport::field_names;
use crate::upstream::peer::Peer;

use super::decoding::fields_of_coded;
use super::plan::{Job, ProxyPlan};
use super::upstream::{Framing, Head};
use crate::serve::context::Context;

/// Room for a head. Most are smaller.
const HEAD: usize = 1 << 10;

/// The protocol that a request is sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Http1,
    Http2,
}

/// Where one attempt goes.
#[derive(Clone, Copy)]
pub(super) struct Hop<'attempt> {
    pub(super) peer: &'attempt Peer,
    pub(super) over: Over,
    /// The attempt's own span, if the client began a trace.
    pub(super) span: Option<&'attempt CallSpan>,
}

/// What becomes of the client's fields.
#[derive(Default)]
struct Edits {
    /// They do not go on.
    removed: Vec<HeaderName>,
    /// Each takes the place of the client's own, or is added.
    set: Vec<Field>,
}

/// A field that the gateway sets.
struct Field {
    name: HeaderName,
    /// As HTTP/1.1 has it.
    written: Bytes,
    value: HeaderValue,
}

impl Edits {
    fn remove(&mut self, name: HeaderName) {
        self.set.retain(|field| field.name != name);
        self.removed.push(name);
    }

    /// Writes a field of the client's anew, if it goes on at all.
    fn rewrite(&mut self, name: HeaderName, value: HeaderValue) {
        if !self.removed.contains(&name) {
            self.set(name, value);
        }
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        let written = field_names::canonical(&name);
        self.set_written(written, name, value);
    }

    fn set_written(&mut self, written: Bytes, name: HeaderName, value: HeaderValue) {
        let field = Field { name, written, value };
        match self.set.iter_mut().find(|other| other.name == field.name) {
            Some(other) => *other = field,
            None => self.set.push(field),
        }
    }
}

/// The head for this target.
///
/// # Errors
/// A field or the url can't be written, which is a fault of ours.
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub(super) fn head(request: &RequestHeader, job: Job<'_>, hop: &Hop<'_>) -> pingora::Result<Head> {
    let removed = hop_by_hop_fields(&request.headers, kept(request, job.plan, hop.over));
    let mut edits = Edits { removed, ..Edits::default() };
    set_framing(&mut edits, request, job.plan.framing, hop.over);
    set_fields(&mut edits, request, job, hop)?;
    match hop.over {
        Over::Http1 => Ok(Head::Http1(http1(request, job, hop.peer, edits))),
        Over::Http2 => http2(request, job, hop.peer, edits).map(|head| Head::Http2(Box::new(head))),
    }
}

/// A `Trailer` goes on where the trailers do, unless it announces one that is removed. Trailers need no announcement (RFC 9110
/// §6.6.2).
fn kept(request: &RequestHeader, plan: &ProxyPlan, over: Over) -> Kept {
    let has_room = over == Over::Http2 || plan.framing == Framing::Unknown;
    if plan.passes_trailers && has_room && !(plan.decode.is_some() && announces_coded(request)) {
        Kept::Trailer
    } else {
        Kept::Nothing
    }
}

/// Whether `Trailer` names a field that is about the coded bytes.
fn announces_coded(request: &RequestHeader) -> bool {
    let values = request.headers.get_all(header::TRAILER).iter();
    let mut names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.any(|name| {
        fields_of_coded().any(|coded| name.trim_ascii().eq_ignore_ascii_case(coded.as_str().as_bytes()))
    })
}

/// The trailers as the service gets them; `None` if it gets none. What a client can't say in a request's head, it can't say
/// behind the body.
pub(super) fn trailers(trailers: &HeaderMap, request: &RequestHeader, job: Job<'_>) -> Option<HeaderMap> {
    let Job { context, plan, .. } = job;
    if !plan.passes_trailers {
        return None;
    }
    let decided = decided(job.changes());
    let is_of_coded =
        |name: &HeaderName| plan.decode.is_some() && fields_of_coded().any(|other| other == *name);
    let may_pass = |name: &HeaderName| {
        let is_option = |option: &[u8]| option.eq_ignore_ascii_case(name.as_str().as_bytes());
        !is_forbidden_in_item(name)
            && !is_of_coded(name)
            && !withheld(&context.snapshot.settings, &context.caller.identity)
                .any(|other| same_to_cgi(other, name))
            && !decided.iter().any(|other| same_to_cgi(other, name))
            && !connection_options(&request.headers).any(is_option)
    };
    let passed = trailers.iter().filter(|(name, _)| may_pass(name));
    let passed: HeaderMap = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
    (!passed.is_empty()).then_some(passed)
}

/// The fields that the configuration decides, whatever the client says.
fn decided(changes: &HeaderChanges) -> Vec<&HeaderName> {
    changes.remove.iter().chain(changes.set.iter().map(|(name, _)| name)).collect()
}

/// RFC 9112 §6: the gateway alone decides how the body is framed.
fn set_framing(edits: &mut Edits, request: &RequestHeader, framing: Framing, over: Over) {
    match framing {
        Framing::None if request.headers.contains_key(header::CONTENT_LENGTH) => {
            edits.set(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Framing::Length(length) => edits.set(header::CONTENT_LENGTH, length.into()),
        Framing::Unknown => {
            edits.remove(header::CONTENT_LENGTH);
            if over == Over::Http1 {
                edits.set(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        Framing::None => {}
    }
}

fn set_fields(
    edits: &mut Edits,
    request: &RequestHeader,
    job: Job<'_>,
    hop: &Hop<'_>,
) -> pingora::Result<()> {
    let Job { upstream, context, plan, .. } = job;
    let fields = &request.headers;
    edits.remove(header::EXPECT);
    if plan.decode.is_some() {
        fields_of_coded().for_each(|name| edits.remove(name));
    }
    edits.removed.extend(of_the_gateway(fields, context));
    edits.removed.extend(claims_of_the_hop(fields));
    if let Some(cookie) = joined_cookies(fields) {
        edits.rewrite(header::COOKIE, cookie);
    }
    if let Some(forwards) = max_forwards(&request.method, fields) {
        edits.rewrite(header::MAX_FORWARDS, forwards.saturating_sub(1).into());
    }
    set_configured(edits, fields, job);
    for (name, value) in &plan.hop.fields {
        edits.set(name.clone(), value.clone());
    }
    edits.remove(TRACEPARENT);
    edits.remove(TRACESTATE);
    if let Some(span) = hop.span {
        edits.set(TRACEPARENT, span.traceparent.clone());
    }
    if let Some(state) = context.trace.state(fields) {
        edits.set(TRACESTATE, state);
    }
    let own_authority = &context.caller.authority;
    for (name, text) in &plan.references {
        let text = text.with_origin(&upstream.origin_for(hop.peer, own_authority));
        let value = HeaderValue::from_str(&text).map_err(|_| internal("a field of ours"))?;
        edits.set(name.clone(), value);
    }
    if plan.maps_bodies {
        // A body whose hrefs are mapped must not be compressed.
        edits.remove(header::ACCEPT_ENCODING);
    }
    Ok(())
}

/// The fields that the configuration sets and removes.
fn set_configured(edits: &mut Edits, fields: &HeaderMap, job: Job<'_>) {
    let changes = job.changes();
    let decided = decided(changes);
    if decided.is_empty() {
        return;
    }
    let is_decided = |name: &&HeaderName| decided.iter().any(|decided| same_to_cgi(decided, name));
    for name in fields.keys().filter(is_decided) {
        edits.remove(name.clone());
    }
    for (name, value) in changes.filled(job.context.caller.variables()) {
        edits.set_written(field_names::spelt(name, &changes.spellings), name.clone(), value);
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's results have it so")]
fn internal(what: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, what)
}

/// The head as HTTP/1.1 writes it: with the path only, and Host.
fn http1(request: &RequestHeader, job: Job<'_>, peer: &Peer, mut edits: Edits) -> Bytes {
    let Job { upstream, context, plan, .. } = job;
    if let Some(upgrade) = &plan.upgrade {
        edits.set(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        edits.set(header::UPGRADE, upgrade.clone());
    }
    let key = plan.handshake.as_ref().and_then(|handshake| HeaderValue::from_str(handshake.key()).ok());
    if let Some(key) = key {
        edits.set(header::SEC_WEBSOCKET_KEY, key);
    }
    edits.set(header::HOST, upstream.host_for(peer, &context.caller.authority));
    let mut head = BytesMut::with_capacity(HEAD);
    let mut write = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| head.extend_from_slice(piece));
    write(&[request.method.as_str().as_bytes(), b" "]);
    match &plan.path {
        Some(path) => write(&[path.as_bytes(), query_of(request).as_bytes()]),
        None => write(&[request.raw_path()]),
    }
    write(&[b" HTTP/1.1\r\n"]);
    let (changes, canonical) = (job.changes(), Spellings::default());
    let spelt = |name: &HeaderName| field_names::spelt(name, changes.spellings_of(name, &canonical));
    let mut left = edits.set.iter().map(Some).collect::<Vec<_>>();
    let mut cases = request.case_header_iter();
    for (name, value) in &request.headers {
        let case = cases.next();
        if let Some(place) = edits.set.iter().position(|field| field.name == *name) {
            if let Some(field) = left.get_mut(place).and_then(Option::take) {
                write(&[&field.written, b": ", field.value.as_bytes(), b"\r\n"]);
            }
        } else if !edits.removed.contains(name) {
            match case {
                Some((written, _)) => write(&[written.as_slice()]),
                None => write(&[&spelt(name)]),
            }
            write(&[b": ", value.as_bytes(), b"\r\n"]);
        }
    }
    for field in left.into_iter().flatten() {
        write(&[&field.written, b": ", field.value.as_bytes(), b"\r\n"]);
    }
    write(&[b"\r\n"]);
    head.freeze()
}

/// The head as HTTP/2 has it: with the complete url (RFC 9113 §8.3.1), and without Host.
fn http2(
    request: &RequestHeader,
    job: Job<'_>,
    peer: &Peer,
    mut edits: Edits,
) -> pingora::Result<RequestHeader> {
    let Job { upstream, context, plan, .. } = job;
    edits.remove(header::HOST);
    if takes_trailers(&request.headers) {
        // RFC 9113 §8.2.2: the only value of TE that HTTP/2 has. gRPC services need it.
        edits.set(header::TE, HeaderValue::from_static("trailers"));
    }
    let mut head = request.clone();
    for name in &edits.removed {
        head.remove_header(name);
    }
    for field in edits.set {
        head.insert_header(field.name, field.value)?;
    }
    let origin = upstream.origin_for(peer, &context.caller.authority);
    let path = plan.path.as_deref().unwrap_or_else(|| request.uri.path());
    let url = format!("{origin}{path}{}", query_of(request));
    head.set_uri(url.parse().map_err(|_| internal("a url of ours"))?);
    Ok(head)
}

fn query_of(request: &RequestHeader) -> String {
    request.uri.query().map(|query| format!("?{query}")).unwrap_or_default()
}

/// The fields that the client must not pass on: its credential for the gateway, and those that only the service that knows
/// clients may set, also spelt with underscores.
fn of_the_gateway(fields: &HeaderMap, context: &Context) -> Vec<HeaderName> {
    let withheld = || withheld(&context.snapshot.settings, &context.caller.identity);
    fields.keys().filter(|name| withheld().any(|other| same_to_cgi(other, name))).cloned().collect()
}

/// The fields that only a gateway may set, not a client (protocol §1). Those that it appends to are rewritten with all
/// their values.
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
