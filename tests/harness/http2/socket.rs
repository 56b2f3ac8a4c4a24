//! A stream that an extended CONNECT has opened (RFC 8441): a reply's head, and bytes both ways.

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Broken, Fields, field_list};
use crate::harness::wait::PATIENCE;

/// A stream, and what the server has said to the request for it.
#[derive(Debug)]
pub(crate) struct Http2Socket<'a> {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    sent: SendStream<Bytes>,
    received: RecvStream,
    unread: Vec<u8>,
    runtime: &'a Runtime,
}

/// Asks for a stream with this protocol. Bytes that are to be there `early` leave before the reply has come.
pub(super) async fn open(
    sender: h2::client::SendRequest<Bytes>,
    mut head: Request<()>,
    protocol: &str,
    early: &[u8],
) -> Result<(http::response::Parts, SendStream<Bytes>, RecvStream), h2::Error> {
    *head.method_mut() = Method::CONNECT;
    head.extensions_mut().insert(Protocol::from(protocol));
    let (answer, mut sent) = sender.ready().await?.send_request(head, false)?;
    if !early.is_empty() {
        sent.send_data(Bytes::copy_from_slice(early), false)?;
    }
    let (head, received) = answer.await?.into_parts();
    Ok((head, sent, received))
}

impl<'a> Http2Socket<'a> {
    pub(super) fn new(
        (head, sent, received): (http::response::Parts, SendStream<Bytes>, RecvStream),
        runtime: &'a Runtime,
    ) -> Self {
        let (status, headers) = (head.status.as_u16(), field_list(&head.headers));
        Self { status, headers, sent, received, unread: Vec::new(), runtime }
    }

    /// A field of the reply.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Sends, as far as the server lets it; the library keeps the rest.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.sent.send_data(Bytes::copy_from_slice(bytes), false).unwrap();
    }

    /// Says that nothing more comes.
    pub(crate) fn finish_writing(&mut self) {
        self.sent.send_data(Bytes::new(), true).unwrap();
    }

    /// Resets the stream.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.sent.send_reset(reason);
    }

    /// Reads so many bytes.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            match self.piece() {
                Ok(Some(piece)) => self.unread.extend(piece),
                end => panic!("{count} bytes were to come after {:?}, and not {end:?}", self.unread),
            }
        }
        self.unread.drain(..count).collect()
    }

    /// Reads to the end; how it broke, if it did.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Option<Broken>) {
        loop {
            match self.piece() {
                Ok(Some(piece)) => self.unread.extend(piece),
                Ok(None) => return (std::mem::take(&mut self.unread), None),
                Err(broken) => return (std::mem::take(&mut self.unread), Some(broken)),
            }
        }
    }

    fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        let received = &mut self.received;
        let piece = self.runtime.block_on(async { timeout(PATIENCE, received.data()).await });
        let piece = piece.map_err(|_| Broken::Silence)?.transpose().map_err(|error| Broken::of(&error))?;
        if let Some(piece) = &piece {
            drop(received.flow_control().release_capacity(piece.len()));
        }
        Ok(piece)
    }
}
