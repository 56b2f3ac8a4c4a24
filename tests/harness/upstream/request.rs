//! Reads requests off a connection and keeps them byte for byte.

use std::io::Write;
use std::net::TcpStream;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The method.
    pub(crate) method: String,
    /// The request target.
    pub(crate) target: String,
    /// The fields in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    /// The bytes of the head, the blank line included.
    pub(crate) head: Vec<u8>,
    /// The body, its transfer coding undone.
    pub(crate) body: Vec<u8>,
    /// On which connection it came, from 1.
    pub(crate) connection: usize,
}

impl Recorded {
    /// A field's value; the first, if it is there more than once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// A field's values.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |(given, _): &&(String, String)| given.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Where bytes come from.
pub(super) trait Source {
    /// Reads once more; false at the end.
    fn read_from(&self, stream: &mut TcpStream, unread: &mut Vec<u8>) -> bool;
}

/// Reads the next request; `None` when the client is done. What is no request is recorded with the
/// method `(not HTTP)`, so that a test sees it.
pub(super) fn read(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    connection: usize,
    source: &impl Source,
) -> Option<Recorded> {
    let mut input = Input { stream, unread, source };
    let head = input.through(b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.trim_end().split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let (method, target) = match words[..] {
        [method, target, "HTTP/1.1" | "HTTP/1.0"] => (method, target),
        _ => ("(not HTTP)", ""),
    };
    let headers = lines
        .map(|line| line.split_once(':').unwrap_or((line, "(no colon)")))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut request = Recorded { method, target, headers, head, body: Vec::new(), connection };
    if request.header("Expect").is_some() {
        input.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    request.body = input.body(&request)?;
    Some(request)
}

struct Input<'a, S> {
    stream: &'a mut TcpStream,
    unread: &'a mut Vec<u8>,
    source: &'a S,
}

impl<S: Source> Input<'_, S> {
    fn body(&mut self, request: &Recorded) -> Option<Vec<u8>> {
        if request.header("Transfer-Encoding").is_some() {
            return self.chunks();
        }
        let length = request.header("Content-Length").map_or(Some(0), |length| length.parse().ok());
        self.exactly(length?)
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.through(b"\r\n")?;
            let size = String::from_utf8_lossy(&line).into_owned();
            let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
            if size == 0 {
                while self.through(b"\r\n")? != b"\r\n" {}
                return Some(body);
            }
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
        }
    }

    fn through(&mut self, pattern: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(start) = memchr::memmem::find(self.unread, pattern) {
                return Some(self.unread.drain(..start + pattern.len()).collect());
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            self.more()?;
        }
        Some(self.unread.drain(..length).collect())
    }

    fn more(&mut self) -> Option<()> {
        self.source.read_from(self.stream, self.unread).then_some(())
    }
}
