//! Reads the body of a batch to its end, within its limits of size, time and memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::batch::BatchRefusal;
use crate::clock::Deadline;
use crate::memory::{MemoryExhausted, MemoryReservation};
use crate::session::{Session, announced_length};

/// Reads a request's body to its end. Answers `Expect: 100-continue` first (RFC 9110 §10.1.1), unless the announced length
/// is too large already.
///
/// # Errors
/// The body is too large or too slow, breaks HTTP's framing, or finds no room in memory.
pub(super) async fn read_body(
    session: &mut Session,
    limit: usize,
    timeout: Duration,
    memory: &MemoryReservation<'_>,
) -> Result<Bytes, BatchRefusal> {
    let announced = announced_length(&session.req_header().headers);
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BatchRefusal::BodyTooLarge { limit });
    }
    memory.admit(1).await.map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
    session.let_client_send().await.map_err(|_| BatchRefusal::BodyUnreadable)?;
    let reading = read_within(session, limit, announced.unwrap_or(0), memory);
    let timed_out = || Err(BatchRefusal::BodyTimeout { seconds: timeout.as_secs() });
    Deadline::after(timeout).race(reading).await.unwrap_or_else(timed_out)
}

async fn read_within(
    session: &mut Session,
    limit: usize,
    announced: usize,
    memory: &MemoryReservation<'_>,
) -> Result<Bytes, BatchRefusal> {
    let mut body = BytesMut::new();
    loop {
        let Ok(read) = session.read_request_body().await else {
            // The end of this request is unknown, so the bytes that follow can't be read as the next one.
            session.close_after_reply();
            return Err(BatchRefusal::BodyUnreadable);
        };
        let Some(bytes) = read else { return Ok(body.freeze()) };
        if body.len() + bytes.len() > limit {
            return Err(BatchRefusal::BodyTooLarge { limit });
        }
        // Memory is taken for what has come, and for what was announced once some of it has come.
        memory.admit(bytes.len()).await.map_err(|MemoryExhausted| BatchRefusal::MemoryFull)?;
        if body.is_empty() {
            body.reserve(announced.max(bytes.len()));
        }
        body.extend_from_slice(&bytes);
        memory.note_body(body.len());
    }
}
