//! An answer of a scripted upstream: an honest reply in any framing, or a fault.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::super::wait::Gate;
use super::Recorded;

/// What the upstream does once a request has come whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    reply: Message,
    before: Option<Gate>,
    middle: Option<(&'static str, Gate)>,
    delay: Duration,
    drip: Option<(usize, Duration)>,
    cut: Option<usize>,
    end: End,
}

#[derive(Clone, Debug)]
enum Message {
    Raw(Vec<u8>),
    Made {
        interim: Vec<u16>,
        version: &'static str,
        status: u16,
        fields: Vec<String>,
        body: Vec<u8>,
        framing: Framing,
    },
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
    Claimed(usize),
    Bodiless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NextRequest,
    Close,
    Reset,
    Hang,
    Endless,
}

impl Answer {
    /// A reply with this status, content type and body.
    pub(crate) fn of(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        Self::empty(status).with_body(body, Framing::Length).header("Content-Type", content_type)
    }

    /// A reply in plain text.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::of(status, "text/plain", body)
    }

    /// A reply in JSON.
    pub(crate) fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self::of(status, "application/json", body)
    }

    /// A reply that has no body and no length: 204, 304.
    pub(crate) fn empty(status: u16) -> Self {
        Self::message(Message::Made {
            interim: Vec::new(),
            version: "HTTP/1.1",
            status,
            fields: Vec::new(),
            body: Vec::new(),
            framing: Framing::Bodiless,
        })
    }

    /// Exactly these bytes; then the connection closes.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self { end: End::Close, ..Self::message(Message::Raw(bytes.as_ref().to_vec())) }
    }

    /// Exactly these bytes; then the next request is awaited.
    pub(crate) fn raw_kept(bytes: impl AsRef<[u8]>) -> Self {
        Self { end: End::NextRequest, ..Self::raw(bytes) }
    }

    /// Closes the connection without a word.
    pub(crate) fn close() -> Self {
        Self::raw("")
    }

    /// Never answers; ends when the client leaves.
    pub(crate) fn hang() -> Self {
        Self::raw("").then_hang()
    }

    /// Resets the connection (RST) without a word.
    pub(crate) fn reset() -> Self {
        Self::raw("").then_reset()
    }

    fn message(message: Message) -> Self {
        Self {
            reply: message,
            before: None,
            middle: None,
            delay: Duration::ZERO,
            drip: None,
            cut: None,
            end: End::NextRequest,
        }
    }

    /// With one more field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Message::Made { fields, .. } = &mut self.reply {
            fields.push(format!("{name}: {value}\r\n"));
        }
        self
    }

    /// After an interim reply (100, 102, 103).
    pub(crate) fn after_interim(mut self, status: u16) -> Self {
        if let Message::Made { interim, .. } = &mut self.reply {
            interim.push(status);
        }
        self
    }

    /// The body in chunks.
    pub(crate) fn chunked(self) -> Self {
        self.framed(Framing::Chunked)
    }

    /// The body ends with the connection.
    pub(crate) fn until_close(self) -> Self {
        Self { end: End::Close, ..self.framed(Framing::UntilClose) }
    }

    /// Claims this Content-Length, whatever the body has; then the connection closes.
    pub(crate) fn claiming(self, length: usize) -> Self {
        Self { end: End::Close, ..self.framed(Framing::Claimed(length)) }
    }

    /// In HTTP/1.0, which closes after its reply.
    pub(crate) fn http10(mut self) -> Self {
        if let Message::Made { version, .. } = &mut self.reply {
            *version = "HTTP/1.0";
        }
        Self { end: End::Close, ..self }
    }

    /// Only the first bytes of the reply; then the connection closes.
    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), end: End::Close, ..self }
    }

    /// Sends the reply, then closes.
    pub(crate) fn then_close(self) -> Self {
        Self { end: End::Close, ..self }
    }

    /// Sends the reply, then resets the connection (RST).
    pub(crate) fn then_reset(self) -> Self {
        Self { end: End::Reset, ..self }
    }

    /// Sends the reply, then nothing more; ends when the client leaves.
    pub(crate) fn then_hang(self) -> Self {
        Self { end: End::Hang, ..self }
    }

    /// Sends the reply, then its last byte again and again until the client has left.
    pub(crate) fn without_end(self) -> Self {
        Self { end: End::Endless, ..self }
    }

    /// Not before the gate is open.
    pub(crate) fn when(self, gate: &Gate) -> Self {
        Self { before: Some(gate.clone()), ..self }
    }

    /// The reply up to this text at once, the rest when the gate is open.
    pub(crate) fn pause_after(self, text: &'static str, gate: &Gate) -> Self {
        Self { middle: Some((text, gate.clone())), ..self }
    }

    /// After so long.
    pub(crate) fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// A few bytes at a time, with a pause after each piece.
    pub(crate) fn dripping(self, bytes: usize, pause: Duration) -> Self {
        Self { drip: Some((bytes, pause)), ..self }
    }

    fn framed(mut self, new: Framing) -> Self {
        if let Message::Made { framing, .. } = &mut self.reply {
            *framing = new;
        }
        self
    }

    fn with_body(mut self, new: Vec<u8>, framing: Framing) -> Self {
        if let Message::Made { body, .. } = &mut self.reply {
            *body = new;
        }
        self.framed(framing)
    }

    /// Whether the connection ends with a reset.
    pub(super) fn resets(&self) -> bool {
        self.end == End::Reset
    }

    /// Gives the answer; false when the connection is to be closed. `answered` is called once the
    /// last byte is due, before the client can have it.
    pub(super) fn deliver(&self, to: &Recorded, stream: &mut TcpStream, answered: impl FnOnce()) -> bool {
        thread::sleep(self.delay);
        if let Some(gate) = &self.before {
            gate.pass();
        }
        let bytes = self.reply.to_bytes(&to.method);
        let bytes = &bytes[..self.cut.unwrap_or(bytes.len()).min(bytes.len())];
        let (first, last) = bytes.split_at(self.middle.as_ref().map_or(0, |(text, _)| end_of(text, bytes)));
        if self.write(stream, first).is_err() {
            answered();
            return false;
        }
        if let Some((_, gate)) = &self.middle {
            gate.pass();
        }
        if matches!(self.end, End::Hang | End::Endless) {
            drop(self.write(stream, last));
            if self.end == End::Endless {
                write_without_end(stream, last.last().copied().unwrap_or_default());
            }
            wait_for_the_end(stream);
            answered();
            return false;
        }
        answered();
        self.write(stream, last).is_ok() && self.end == End::NextRequest
    }

    fn write(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        let Some((size, pause)) = self.drip else {
            return stream.write_all(bytes);
        };
        for piece in bytes.chunks(size) {
            stream.write_all(piece)?;
            thread::sleep(pause);
        }
        Ok(())
    }
}

impl Message {
    fn to_bytes(&self, method: &str) -> Vec<u8> {
        let (interim, version, status, fields, body, framing) = match self {
            Self::Raw(bytes) => return bytes.clone(),
            Self::Made { interim, version, status, fields, body, framing } => {
                (interim, version, status, fields, body, framing)
            }
        };
        let mut bytes = Vec::new();
        for status in interim {
            bytes.extend(format!("HTTP/1.1 {status} Interim\r\nLink: </style.css>\r\n\r\n").bytes());
        }
        let framing_field = match framing {
            Framing::Length => format!("Content-Length: {}\r\n", body.len()),
            Framing::Claimed(length) => format!("Content-Length: {length}\r\n"),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Framing::UntilClose | Framing::Bodiless => String::new(),
        };
        bytes
            .extend(format!("{version} {status} Scripted\r\n{}{framing_field}\r\n", fields.concat()).bytes());
        if method != "HEAD" {
            bytes.extend(framing.body(body));
        }
        bytes
    }
}

impl Framing {
    fn body(self, body: &[u8]) -> Vec<u8> {
        if !matches!(self, Self::Chunked) {
            return body.to_vec();
        }
        let mut chunks = Vec::new();
        for piece in body.chunks(7) {
            chunks.extend(format!("{:x};extension=yes\r\n", piece.len()).bytes());
            chunks.extend_from_slice(piece);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        chunks
    }
}

/// Where this text ends in a reply; it has to be there.
fn end_of(text: &str, bytes: &[u8]) -> usize {
    memchr::memmem::find(bytes, text.as_bytes()).map(|start| start + text.len()).unwrap()
}

/// Writes a byte over and over until nobody takes it any more.
fn write_without_end(stream: &mut TcpStream, byte: u8) {
    let piece = [byte; 16 << 10];
    while stream.write_all(&piece).is_ok() {}
}

/// Reads and forgets until the client closes or the stream's own timeout is over.
fn wait_for_the_end(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
