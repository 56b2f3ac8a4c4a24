//! Talking to the client: reading a body within its limits, noticing that the client has left, and
//! writing a reply.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};
use pingora::http::ResponseHeader;

use crate::batch::BatchRefusal;
use crate::clock::Deadline;
use crate::format::EncodedBody;

use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::session::{Session, announced_length};

/// Reads the request's body whole. Answers `Expect: 100-continue` first (RFC 9110 §10.1.1), unless
/// the length says already that the body is too large.
pub(crate) async fn read_body(
    session: &mut Session,
    limit: usize,
    timeout: Duration,
    reservation: &MemoryReservation<'_>,
) -> Result<Bytes, BatchRefusal> {
    let announced = announced_length(&session.req_header().headers);
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BatchRefusal::BodyTooLarge { limit });
    }
    reservation.admit(1).await.map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
    session.let_client_send().await.map_err(|_| BatchRefusal::BodyUnreadable)?;
    let reading = read_within(session, limit, announced.unwrap_or(0), reservation);
    match Deadline::after(timeout).race(reading).await {
        Some(read) => read,
        None => Err(BatchRefusal::BodyTimeout { seconds: timeout.as_secs() }),
    }
}

async fn read_within(
    session: &mut Session,
    limit: usize,
    announced: usize,
    reservation: &MemoryReservation<'_>,
) -> Result<Bytes, BatchRefusal> {
    let mut body = BytesMut::new();
    loop {
        let Ok(read) = session.read_request_body().await else {
            // Where this request ends is not known: what follows can't be taken for the next one.
            session.close_after_reply();
            return Err(BatchRefusal::BodyUnreadable);
        };
        match read {
            None => return Ok(body.freeze()),
            Some(bytes) if body.len() + bytes.len() > limit => {
                return Err(BatchRefusal::BodyTooLarge { limit });
            }
            // Memory is taken for what came, or for what was announced once some of it came.
            Some(bytes) => {
                reservation.admit(bytes.len()).await.map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
                if body.is_empty() {
                    body.reserve(announced.max(bytes.len()));
                }
                body.extend_from_slice(&bytes);
            }
        }
    }
}

/// A reply's header, without its body's fields.
pub(crate) struct ReplyHead {
    pub(crate) status: StatusCode,
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
}

impl ReplyHead {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, fields: vec![(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))] }
    }

    /// Adds a field, unless its value can't stand in one.
    pub(crate) fn with(mut self, name: HeaderName, value: Option<String>) -> Self {
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            self.fields.push((name, value));
        }
        self
    }
}

impl ReplyHead {
    /// Adds fields, but those whose value can't stand in one.
    pub(crate) fn with_all(self, fields: &[(HeaderName, String)]) -> Self {
        fields.iter().fold(self, |head, (name, value)| head.with(name.clone(), Some(value.clone())))
    }
}

/// Writes a whole reply. A body that was not read to its end closes the connection.
pub(crate) async fn write_reply(
    session: &mut Session,
    head: ReplyHead,
    body: EncodedBody,
) -> pingora::Result<()> {
    let length = body.length();
    let mut header = ResponseHeader::build_no_case(head.status, Some(head.fields.len() + 3))?;
    for (name, value) in head.fields {
        header.append_header(name, value)?;
    }
    if !body.content_type.is_empty() {
        header.insert_header(header::CONTENT_TYPE, body.content_type.as_ref())?;
    }
    if head.status != StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: a 204 has none.
        header.insert_header(header::CONTENT_LENGTH, length)?;
    }
    let unread = session.close_if_unread();
    if let Some(connection) = session.connection() {
        connection.buffer_until_flush();
    }
    let without_body = length == 0 || session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(header), without_body).await?;
    if !without_body {
        let last = body.chunks.len().saturating_sub(1);
        for (number, chunk) in body.chunks.into_iter().enumerate() {
            session.write_response_body(Some(chunk), number == last).await?;
        }
    }
    if unread {
        session.linger().await;
    }
    Ok(())
}

/// All values of a list field as one (RFC 9110 §5.3).
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(", ")
}
