//! Asks a service who may come in. The question is a call like an item's: over the pool of its upstream,
//! within its concurrency, counted among its attempts.

use futures_util::FutureExt;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use pingora::http::RequestHeader;

use crate::batch::AdmissionRefusal;
use crate::clock::{Deadline, Stopwatch};
use crate::config::ForwardAuth;
use crate::dispatch::{Attempt, Channel, Engine, Progress, ReplyBudget, UpstreamReply};
use crate::header::field::Fields;
use crate::plan::Call;

use super::authentication::Asking;
use super::identity::Identity;
use crate::memory::MemoryReservation;
use crate::upstream::client::{BatchEngine, Behalf, SharedFields};

/// Bytes of the service's reply.
const MAX_REPLY: usize = 64 << 10;

/// Characters of a client's name that are kept.
const MAX_NAME: usize = 128;

/// Asks, and takes the service's word.
///
/// # Errors
/// It says no, or nothing in time.
pub(super) async fn ask(
    forward: &ForwardAuth,
    asking: &Asking<'_>,
    request: &RequestHeader,
    challenge: &str,
) -> Result<Identity, AdmissionRefusal> {
    // Boxed: it is large, and few requests have one.
    let reply = question(forward, asking, request).boxed().await;
    let reply = reply.ok_or(AdmissionRefusal::AuthenticationUnavailable)?;
    if reply.status.is_success() {
        return Ok(identity(forward, request, &reply.headers));
    }
    match reply.status {
        // A redirection leads to a page where people log in.
        StatusCode::UNAUTHORIZED => {
            let own = reply.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let challenge = own.unwrap_or(challenge).to_owned();
            Err(AdmissionRefusal::Unauthenticated { problem: "the credential is not accepted", challenge })
        }
        status if status.is_redirection() => Err(AdmissionRefusal::Unauthenticated {
            problem: "a credential is missing",
            challenge: challenge.to_owned(),
        }),
        StatusCode::TOO_MANY_REQUESTS => Err(AdmissionRefusal::AuthenticationUnavailable),
        status if status.is_client_error() => Err(AdmissionRefusal::Forbidden),
        _ => Err(AdmissionRefusal::AuthenticationUnavailable),
    }
}

/// The service's reply; `None` where there is none in time.
async fn question(
    forward: &ForwardAuth,
    asking: &Asking<'_>,
    request: &RequestHeader,
) -> Option<UpstreamReply> {
    let Asking { gateway, snapshot, reached, request_id, trace } = asking;
    let mut hop = reached.forwarded_by(&request.headers, request_id);
    let uri = request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    for (name, value) in [("x-forwarded-method", request.method.as_str()), ("x-forwarded-uri", uri)] {
        hop.fields.push((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?));
    }
    let reservation = MemoryReservation::new(&gateway.memory, reached.client());
    let behalf = Behalf {
        upstreams: &snapshot.upstreams,
        client: reached.client(),
        authority: &reached.authority,
        trace: *trace,
        reservation: &reservation,
    };
    let reserved = snapshot.settings.reserved_fields();
    let asked = BatchEngine::new(behalf, SharedFields { hop, reserved, ..SharedFields::default() });
    let engine = &asked;
    let deadline = Deadline::after(forward.timeout);
    let call = Call {
        upstream: forward.upstream,
        target: forward.path.as_str().into(),
        headers: fields(&request.headers, &forward.headers),
        references: Vec::new(),
        body: None,
        timeout: None,
    };
    let (progress, budget) = (Progress::new(Stopwatch::start()), ReplyBudget::new(MAX_REPLY, MAX_REPLY));
    let exchange = async {
        let _turn = match engine.try_permit(forward.upstream) {
            Some(permit) => permit,
            None => engine.permit(forward.upstream).await.ok()?,
        };
        let mut channel = engine.channel(forward.upstream);
        progress.mark_started();
        let attempt = Attempt { progress: &progress, budget: &budget, deadline };
        let reply = channel.call(&Method::GET, &call, attempt).await;
        channel.rest();
        reply.ok()
    };
    deadline.race(exchange.boxed()).await.flatten()
}

fn identity(forward: &ForwardAuth, request: &RequestHeader, reply: &HeaderMap) -> Identity {
    let name = forward.name.as_ref().and_then(|name| reply.get(name)).and_then(|value| value.to_str().ok());
    let name = name.map(|name| name.chars().take(MAX_NAME).collect::<String>());
    let had = |name: &&HeaderName| request.headers.contains_key(*name);
    Identity {
        name: name.filter(|name| !name.is_empty()).map(Into::into),
        credentials: forward.headers.iter().filter(had).cloned().collect(),
        added: fields(reply, &forward.add),
    }
}

/// The first value of each of these fields.
fn fields(headers: &HeaderMap, names: &[HeaderName]) -> Fields {
    let found = names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    found.collect()
}
