//! The head of a forwarded request as its upstream gets it. Fields of the hop are removed, fields that only the gateway may
//! set are replaced, and the rest stays as the client wrote it.

use http::Version;
use http::header::{self, HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};

use crate::admission::withheld;
use crate::header::changes::HeaderChanges;
use crate::header::field::is_forbidden_in_item;
use crate::header::hop::{Kept, connection_options, hop_by_hop_fields, max_forwards, takes_trailers};
use crate::header::inherit::{joined_cookies, same_to_cgi};
use crate::header::spelling::Spellings;
use crate::telemetry::CallSpan;
use crate::transport::field_names;
use crate::upstream::peer::Peer;

use super::plan::{Job, ProxyPlan};
use super::upstream::Framing;
use crate::serve::context::Context;

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

/// The head for this target.
///
/// # Errors
/// A field or the url can't be written, which is a fault of ours.
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub(super) fn head(
    request: &RequestHeader,
    job: Job<'_>,
    hop: &Hop<'_>,
) -> pingora::Result<Box<RequestHeader>> {
    let Hop { peer, over, .. } = *hop;
    let plan = job.plan;
    let mut head = request.clone();
    for name in hop_by_hop_fields(&request.headers, kept(plan, over)) {
        head.remove_header(&name);
    }
    set_framing(&mut head, plan.framing, over)?;
    set_fields(&mut head, request, job, hop)?;
    if over == Over::Http1 {
        if let Some(upgrade) = &plan.upgrade {
            head.insert_header(header::CONNECTION, "Upgrade")?;
            head.insert_header(header::UPGRADE, upgrade.clone())?;
        }
        if let Some(handshake) = &plan.handshake {
            head.insert_header(header::SEC_WEBSOCKET_KEY, handshake.key())?;
        }
        head.set_version(Version::HTTP_11);
    } else if takes_trailers(&request.headers) {
        // RFC 9113 §8.2.2: the only value of TE that HTTP/2 has. gRPC services need it.
        head.insert_header(header::TE, "trailers")?;
    }
    set_url(&mut head, request, job, peer, over)?;
    let head = match over {
        Over::Http1 => {
            let changes = job.changes();
            let canonical = Spellings::default();
            let written =
                |name: &HeaderName| field_names::spelt(name, changes.spellings_of(name, &canonical));
            field_names::request_for_http1(head, written)?
        }
        Over::Http2 => head,
    };
    Ok(Box::new(head))
}

/// A `Trailer` goes on where the trailers do.
fn kept(plan: &ProxyPlan, over: Over) -> Kept {
    let has_room = over == Over::Http2 || plan.framing == Framing::Unknown;
    if plan.passes_trailers && has_room { Kept::Trailer } else { Kept::Nothing }
}

/// The trailers as the service gets them; `None` if it gets none. What a client can't say in a request's head, it can't say
/// behind the body.
pub(super) fn trailers(trailers: &HeaderMap, request: &RequestHeader, job: Job<'_>) -> Option<HeaderMap> {
    let Job { context, plan, .. } = job;
    if !plan.passes_trailers {
        return None;
    }
    let decided = decided(job.changes());
    let may_pass = |name: &HeaderName| {
        let is_option = |option: &[u8]| option.eq_ignore_ascii_case(name.as_str().as_bytes());
        !is_forbidden_in_item(name)
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
fn set_framing(head: &mut RequestHeader, framing: Framing, over: Over) -> pingora::Result<()> {
    let said_length = head.remove_header(&header::CONTENT_LENGTH).is_some();
    match framing {
        Framing::None if said_length => head.insert_header(header::CONTENT_LENGTH, 0),
        Framing::Length(length) => head.insert_header(header::CONTENT_LENGTH, length),
        Framing::Unknown if over == Over::Http1 => head.insert_header(header::TRANSFER_ENCODING, "chunked"),
        Framing::None | Framing::Unknown => Ok(()),
    }
}

fn set_fields(
    head: &mut RequestHeader,
    request: &RequestHeader,
    job: Job<'_>,
    hop: &Hop<'_>,
) -> pingora::Result<()> {
    let Job { upstream, context, plan, .. } = job;
    let changes = job.changes();
    head.remove_header(&header::EXPECT);
    for name in of_the_gateway(&head.headers, context).into_iter().chain(claims_of_the_hop(&head.headers)) {
        head.remove_header(&name);
    }
    if let Some(cookie) = joined_cookies(&head.headers) {
        head.insert_header(header::COOKIE, cookie)?;
    }
    if let Some(forwards) = max_forwards(&request.method, &request.headers) {
        head.insert_header(header::MAX_FORWARDS, forwards.saturating_sub(1))?;
    }
    let decided = decided(changes);
    let is_decided = |name: &&HeaderName| decided.iter().any(|decided| same_to_cgi(decided, name));
    for name in head.headers.keys().filter(is_decided).cloned().collect::<Vec<_>>() {
        head.remove_header(&name);
    }
    for (name, value) in changes.filled(context.caller.variables()) {
        head.insert_header(field_names::spelt(name, &changes.spellings), value)?;
    }
    for (name, value) in &plan.hop.fields {
        head.insert_header(field_names::canonical(name), value.clone())?;
    }
    head.remove_header("traceparent");
    head.remove_header("tracestate");
    if let Some(span) = hop.span {
        head.insert_header("traceparent", span.traceparent.clone())?;
    }
    if let Some(state) = context.trace.state(&request.headers) {
        head.insert_header("tracestate", state)?;
    }
    let own_authority = &context.caller.authority;
    for (name, text) in &plan.references {
        head.insert_header(name.clone(), text.with_origin(&upstream.origin_for(hop.peer, own_authority)))?;
    }
    if plan.maps_bodies {
        // A body whose hrefs are mapped must not be compressed.
        head.remove_header(&header::ACCEPT_ENCODING);
    }
    Ok(())
}

/// Over HTTP/1.1 the path, and Host; over HTTP/2 the complete url (RFC 9113 §8.3.1).
fn set_url(
    head: &mut RequestHeader,
    request: &RequestHeader,
    job: Job<'_>,
    peer: &Peer,
    over: Over,
) -> pingora::Result<()> {
    let Job { upstream, context, plan, .. } = job;
    let own = context.caller.authority.as_str();
    let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match over {
        Over::Http1 => {
            head.insert_header(header::HOST, upstream.host_for(peer, own))?;
            if let Some(path) = &plan.path {
                head.set_raw_path(format!("{path}{query}").as_bytes())?;
            }
        }
        Over::Http2 => {
            head.remove_header(&header::HOST);
            let path = plan.path.as_deref().unwrap_or_else(|| request.uri.path());
            let url = format!("{}{path}{query}", upstream.origin_for(peer, own));
            let url = url.parse().map_err(|_| Error::explain(ErrorType::InternalError, "a url of ours"))?;
            head.set_uri(url);
        }
    }
    Ok(())
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
