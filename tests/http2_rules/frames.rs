//! Frames of HTTP/2, written and read as bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;

/// `GET /` with `:authority` x, and `POST /`.
pub(super) const GET: &[u8] = b"\x82\x86\x84\x41\x01x";
pub(super) const POST: &[u8] = b"\x83\x86\x84\x41\x01x";

/// What a test asks last: the answer to it says that all before it was looked at.
const LAST: &[u8; 8] = b"the last";

/// How long a server may be silent before a test goes on.
const SILENCE: Duration = Duration::from_secs(10);

/// How long something may still come once the last ping was answered.
const GRACE: Duration = Duration::from_millis(500);

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// A frame's bytes.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field without Huffman's code and without the table.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], part(name), part(value)].concat()
}

/// Sends these frames after the preface; gives all frames that come until the answer to the last ping, and
/// that of the first stream if it is served, and whether the connection was closed.
pub(super) fn exchange(to: SocketAddr, sent: &[u8]) -> (Vec<Frame>, bool) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // A server may have closed before it has all: what it said counts.
    drop(
        stream
            .write_all(&[&preface[..], &frame(SETTINGS, 0, 0, b""), sent, &frame(PING, 0, 0, LAST)].concat()),
    );
    let (mut frames, mut unread, mut is_pinged) = (Vec::new(), Vec::new(), false);
    loop {
        while let Some((next, rest)) = first_frame(&unread) {
            is_pinged |= next.kind == PING && next.payload == LAST;
            frames.push(next);
            unread = rest;
        }
        if is_pinged && is_answered(&frames) {
            return (frames, false);
        }
        if is_pinged {
            // A service answers later than the gateway does.
            stream.set_read_timeout(Some(GRACE)).unwrap();
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => return (frames, true),
            Ok(length) => unread.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return (frames, true),
            Err(_) => return (frames, false),
        }
    }
}

fn is_answered(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY))
}

fn first_frame(bytes: &[u8]) -> Option<(Frame, Vec<u8>)> {
    let head = bytes.get(..9)?;
    let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
    let payload = bytes.get(9..9 + length)?.to_vec();
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((Frame { kind: head[3], flags: head[4], stream, payload }, bytes[9 + length..].to_vec()))
}
