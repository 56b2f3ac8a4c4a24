//! A reply of the gateway's own that leaves piece by piece, before its length is known.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

use crate::header::field::Fields;
use crate::session::{Rest, Session};
use crate::telemetry::TimingPart;

use super::context::Context;
use super::reply::{Caching, SERVER_TIMING};
use super::respond::head;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The head of a reply whose length is not known. Proxies on the way are asked not to collect it. What it says about the time
/// is what is known before the first call; the rest is for the trailers.
pub(super) fn head_without_length(
    context: &Context,
    status: StatusCode,
    content_type: &str,
    fields: Fields,
) -> pingora::Result<ResponseHeader> {
    let mut head = head(context, status, Caching::Never, fields)?;
    head.insert_header(header::CONTENT_TYPE, content_type)?;
    head.insert_header(X_ACCEL_BUFFERING, HeaderValue::from_static("no"))?;
    if context.batch.as_ref().is_some_and(|batch| batch.timing.is_some()) {
        head.insert_header(header::TRAILER, SERVER_TIMING.as_str())?;
    }
    if let Some(timing) = context.server_timing(TimingPart::Head) {
        head.insert_header(SERVER_TIMING, timing)?;
    }
    Ok(head)
}

/// Ends a reply whose length was not known, with the rest of its times if the client takes trailers.
///
/// # Errors
/// The client has left.
pub(super) async fn end_reply(session: &mut Session, context: &Context) -> pingora::Result<()> {
    let timing = context.server_timing(TimingPart::Trailer).filter(|_| session.takes_trailers());
    match timing.and_then(|timing| HeaderValue::from_str(&timing).ok()) {
        Some(timing) => session.write_trailers([(SERVER_TIMING, timing)].into_iter().collect()).await,
        None => session.end_reply().await,
    }
}

/// A part of a reply that is ready to be written.
pub(super) struct Piece {
    /// The reply's head, if it was not written yet.
    pub(super) head: Option<ResponseHeader>,
    pub(super) chunks: Vec<Bytes>,
}

impl Piece {
    /// Bytes of the body in it.
    pub(super) fn length(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Writes it. Returns once the client's connection has taken it.
    ///
    /// # Errors
    /// The client has left, or took nothing within the write timeout.
    pub(super) async fn write(self, session: &mut Session) -> pingora::Result<()> {
        if let Some(mut head) = self.head {
            // RFC 9112 §6.1: only HTTP/1.1 has chunks; HTTP/1.0 ends with the connection.
            if session.req_header().version == http::Version::HTTP_11 {
                head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
            if !session.takes_trailers() {
                head.remove_header(&header::TRAILER);
            }
            session.write_response_header(Box::new(head), Rest::Follows).await?;
        }
        session.write_response_pieces(self.chunks, Rest::Follows).await
    }
}
