//! One request in every framing that HTTP/1.1 and HTTP/2 have for it.

use std::net::SocketAddr;

use crate::harness::http2::{Call, Ending};

/// Chunk extensions (RFC 9112 §7.1.1).
pub(super) const EXTENSIONS: [&str; 5] = ["", ";a", ";a=b;c", ";a=\"b\"", ";a=\"b; \\\"c\\\" 0\""];

/// How the size of a chunk is spelt.
#[derive(Clone, Debug)]
pub(super) struct Spelling {
    /// In upper case.
    pub(super) upper: bool,
    /// Zeros in front.
    pub(super) zeros: usize,
    /// Which of [`EXTENSIONS`] it has.
    pub(super) extension: usize,
}

/// How a request says where its body ends.
#[derive(Clone, Debug)]
pub(super) enum Framing {
    /// HTTP/1.1, no field at all: there is no body.
    Bodiless,
    /// HTTP/1.1, Content-Length.
    Length,
    /// HTTP/1.1, in chunks; perhaps with a trailer.
    Chunked { spelling: Spelling, trailer: bool },
    /// HTTP/2, perhaps with a content-length.
    Http2 { length: bool, ending: Ending },
}

/// A request: its body comes in pieces of so many bytes, which are chunks or DATA frames.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: &'static str,
    pub(super) framing: Framing,
    pub(super) size: usize,
    pub(super) piece: usize,
}

/// Whatever a message can be framed in.
pub(super) fn framings() -> Vec<Framing> {
    let trailers = Ending::Trailers(vec![("x-sum".to_owned(), "1".to_owned())]);
    let mut framings = vec![Framing::Length];
    for extension in 0..EXTENSIONS.len() {
        let spelling = Spelling { upper: extension % 2 == 1, zeros: extension % 3, extension };
        framings.push(Framing::Chunked { spelling, trailer: extension % 2 == 0 });
    }
    for ending in [Ending::WithLastByte, Ending::EmptyData, trailers] {
        framings.extend([true, false].map(|length| Framing::Http2 { length, ending: ending.clone() }));
    }
    framings
}

impl Message {
    /// A body that looks like the end of one, and like a request.
    pub(super) fn body(&self) -> Vec<u8> {
        let pattern = b"0\r\n\r\nGET /phantom HTTP/1.1\r\nHost: phantom\r\n\r\n";
        pattern.iter().copied().cycle().take(self.size).collect()
    }

    /// Pieces are not so small that there would be very many.
    fn piece(&self) -> usize {
        self.piece.max(self.size / 40).max(1)
    }

    /// As HTTP/2, if it is framed so.
    pub(super) fn to_call(&self, target: &str) -> Option<Call> {
        let Framing::Http2 { length, ending } = &self.framing else { return None };
        let call = Call::new(self.method, target).ending(ending.clone());
        let size = self.size.to_string();
        let call = if *length { call.header("content-length", &size) } else { call };
        Some(call.pieces(self.body().chunks(self.piece())))
    }

    /// As HTTP/1.1.
    pub(super) fn to_bytes(&self, target: &str, host: SocketAddr) -> Vec<u8> {
        let head = format!("{} {target} HTTP/1.1\r\nHost: {host}\r\n", self.method);
        let (fields, body) = match &self.framing {
            Framing::Bodiless | Framing::Http2 { .. } => ("\r\n".to_owned(), Vec::new()),
            Framing::Length => (format!("Content-Length: {}\r\n\r\n", self.size), self.body()),
            Framing::Chunked { spelling, trailer } => {
                ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), self.chunks(spelling, *trailer))
            }
        };
        [head.as_bytes(), fields.as_bytes(), &body].concat()
    }

    fn chunks(&self, spelling: &Spelling, trailer: bool) -> Vec<u8> {
        let mut chunks = Vec::new();
        for piece in self.body().chunks(self.piece()) {
            chunks.extend(spelling.line(piece.len()).bytes());
            chunks.extend_from_slice(piece);
            chunks.extend(b"\r\n");
        }
        chunks.extend(spelling.line(0).bytes());
        chunks.extend(if trailer { "X-Sum: 1\r\n\r\n" } else { "\r\n" }.bytes());
        chunks
    }
}

impl Spelling {
    fn line(&self, size: usize) -> String {
        let digits = if self.upper { format!("{size:X}") } else { format!("{size:x}") };
        format!("{}{digits}{}\r\n", "0".repeat(self.zeros), EXTENSIONS[self.extension])
    }
}
