//! The one exit: every reply that the gateway makes itself is written here.
//!
//! In: what a handler returned, and the request's [`Context`]. Out: one reply on the wire, and what it took in the record.
//! A handler says only what it alone knows; this module adds the fields that every reply of ours has:
//!
//! | field | value |
//! |---|---|
//! | `Cache-Control` | `no-store`, unless the route says something else: few replies of ours are true for another request. Redirects have none |
//! | `X-Request-Id` | the request's |
//! | `Proxy-Status`, `Allow`, `WWW-Authenticate`, `Retry-After` | as the [`ErrorReply`] says |
//! | `RateLimit`, `RateLimit-Policy` | where a limit counted the request |
//! | CORS fields | at batch endpoints, bulk routes and routes with `cors` |
//! | `Content-Type`, `Content-Length` | the body's |
//!
//! The connection closes after a reply to a request that was not read to its end, because what follows can't be taken for
//! the next request. A stream, and a reply to a batch that begins early, takes only its [`head`] from here (`piece`). Two replies don't pass
//! here: those of upstreams (`proxy`), and those to what can't be parsed as a request (`listener`).

use http::header::{self, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;

use crate::clock::Stopwatch;
use crate::memory::GaveWay;
use crate::phase::Phase;
use crate::problem::ErrorReply;
use crate::session::{Rest, Session};
use crate::transport::field_names::canonical;

use super::context::Context;
use super::reply::{Caching, Reply};

/// Writes a reply, and takes note of it in the context.
///
/// # Errors
/// The client has left, or stood still while others waited for the memory that the reply takes.
pub(super) async fn respond(
    session: &mut Session,
    context: &mut Context,
    made: Result<Reply<'_>, Box<ErrorReply>>,
) -> pingora::Result<()> {
    let mut reply = made.unwrap_or_else(|error| {
        context.refused(&error);
        context.error_format.reply(&error, &session.req_header().headers)
    });
    let stopwatch = Stopwatch::start();
    let (memory, length) = (reply.memory.take(), reply.body.length());
    context.record_unsent_batch(session, reply.status, length);
    let write = write(session, context, reply);
    let written = match &memory {
        Some(memory) => memory.at_pace_of_client(write).await.unwrap_or_else(|gave_way| {
            note_gave_way(context, gave_way);
            Err(pingora::Error::new_down(pingora::ErrorType::ConnectionClosed))
        }),
        None => write.await,
    };
    if let Some(batch) = &mut context.batch {
        batch.phases.set(Phase::Send, stopwatch.elapsed());
    }
    written
}

async fn write(session: &mut Session, context: &Context, reply: Reply<'_>) -> pingora::Result<()> {
    let Reply { status, fields, body, caching, .. } = reply;
    let length = body.length();
    let mut head = head(context, status, caching, fields)?;
    if !body.content_type.is_empty() {
        head.insert_header(header::CONTENT_TYPE, body.content_type.as_ref())?;
    }
    if status != StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: a 204 has none.
        head.insert_header(header::CONTENT_LENGTH, length)?;
    }
    session.close_if_unread();
    if let Some(connection) = session.connection() {
        connection.buffer_until_flush();
    }
    if length == 0 || session.req_header().method == Method::HEAD {
        return session.write_response_header(Box::new(head), Rest::Nothing).await;
    }
    session.write_response_header(Box::new(head), Rest::Follows).await?;
    session.write_response_pieces(body.chunks, Rest::Nothing).await
}

/// The head of a reply, with the fields that every reply of ours has.
pub(super) fn head(
    context: &Context,
    status: StatusCode,
    caching: Caching,
    fields: Vec<(HeaderName, HeaderValue)>,
) -> pingora::Result<ResponseHeader> {
    let added = context.cors.len() + context.limit_fields.len() + 4;
    // The names are in their final case from the start, so that nothing makes the head anew for HTTP/1.1.
    let mut head = ResponseHeader::build(status, Some(fields.len() + added))?;
    if caching == Caching::Never && fields.iter().all(|(name, _)| *name != header::CACHE_CONTROL) {
        head.append_header("Cache-Control", HeaderValue::from_static("no-store"))?;
    }
    head.append_header("X-Request-ID", context.caller.request_id.as_str())?;
    for (name, value) in fields {
        head.append_header(canonical(&name), value)?;
    }
    for (name, value) in context.cors.iter().chain(&context.limit_fields) {
        // The configuration can't name an origin that is not valid in a field, nor a limit.
        if let Ok(value) = HeaderValue::from_str(value) {
            head.append_header(canonical(name), value)?;
        }
    }
    Ok(head)
}

/// Counts and logs that the client stood still and gave way to others that waited for memory.
pub(super) fn note_gave_way(context: &Context, gave_way: GaveWay) {
    context.gateway().metrics.memory_gave_way.inc();
    tracing::warn!(
        kind = "memory",
        request_id = context.caller.request_id.as_str(),
        client = context.caller.address_text(),
        bytes = gave_way.held,
        limit = "limits.memory",
        "a client that held most of the memory had stalled and was cut off because others were waiting"
    );
}
