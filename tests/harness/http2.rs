//! HTTP/2 on both sides, by the h2 library: a client that ends its bodies as a test says, an upstream that keeps what it
//! gets and answers from a script, and a front for services that speak HTTP/1.1.

mod client;
pub(super) mod front;
mod socket;
mod upstream;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use client::{Call, Ending, Http2Client, Http2Reply};
pub(crate) use socket::Http2Socket;
pub(crate) use upstream::{Http2Answer, Http2Upstream};

/// Fields by name and value.
type Fields = Vec<(String, String)>;

fn field_map(fields: &Fields) -> HeaderMap {
    let field = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        map.append(name, value);
    }
    map
}

fn field_list(map: &HeaderMap) -> Fields {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// A body and its trailers, read to their end, or how the stream broke.
async fn read_body(stream: &mut h2::RecvStream) -> (Vec<u8>, Fields, Option<Broken>) {
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        match piece {
            Ok(piece) => take(stream, &mut body, &piece),
            Err(error) => return (body, Vec::new(), Some(Broken::of(&error))),
        }
    }
    match stream.trailers().await {
        Ok(trailers) => (body, trailers.as_ref().map(field_list).unwrap_or_default(), None),
        Err(error) => (body, Vec::new(), Some(Broken::of(&error))),
    }
}

fn take(stream: &mut h2::RecvStream, body: &mut Vec<u8>, piece: &Bytes) {
    body.extend_from_slice(piece);
    drop(stream.flow_control().release_capacity(piece.len()));
}

/// How a stream ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// By `RST_STREAM` with this code.
    Reset(Reason),
    /// With its connection.
    Connection,
    /// Nothing came within the patience of a test.
    Silence,
}

impl Broken {
    fn of(error: &h2::Error) -> Self {
        error.reason().filter(|_| error.is_reset()).map_or(Self::Connection, Self::Reset)
    }
}
