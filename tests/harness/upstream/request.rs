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
    /// What came behind a body in chunks.
    pub(crate) trailers: Vec<(String, String)>,
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
    let headers = lines.map(field).collect();
    let (method, target) = (method.to_owned(), target.to_owned());
    let (body, trailers) = (Vec::new(), Vec::new());
    let mut request = Recorded { method, target, headers, head, body, trailers, connection };
    if request.header("Expect").is_some() {
        input.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    match input.body(&request)? {
        Ok((body, trailers)) => (request.body, request.trailers) = (body, trailers),
        Err(Malformed) => "(malformed body)".clone_into(&mut request.method),
    }
    Some(request)
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, "(no colon)"));
    (name.to_owned(), value.trim().to_owned())
}

/// A body that is framed otherwise than HTTP allows, or in two ways.
struct Malformed;

/// A body and its trailers. Nothing if the connection ended before them.
type Body = Option<Result<(Vec<u8>, Vec<(String, String)>), Malformed>>;

struct Input<'a, S> {
    stream: &'a mut TcpStream,
    unread: &'a mut Vec<u8>,
    source: &'a S,
}

impl<S: Source> Input<'_, S> {
    fn body(&mut self, request: &Recorded) -> Body {
        let codings: Vec<_> = request.all("Transfer-Encoding").collect();
        let lengths: Vec<_> = request.all("Content-Length").collect();
        match (&codings[..], &lengths[..]) {
            ([], []) => Some(Ok((Vec::new(), Vec::new()))),
            ([coding], []) if coding.eq_ignore_ascii_case("chunked") => self.chunks(),
            ([], [length]) => match number(length, 10) {
                Some(length) => Some(Ok((self.exactly(length)?, Vec::new()))),
                None => Some(Err(Malformed)),
            },
            _ => Some(Err(Malformed)),
        }
    }

    fn chunks(&mut self) -> Body {
        let mut body = Vec::new();
        loop {
            let line = self.through(b"\r\n")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let size = line.trim_end_matches("\r\n").split(';').next()?;
            let Some(size) = number(size, 16) else { return Some(Err(Malformed)) };
            if size == 0 {
                return Some(Ok((body, self.trailers()?)));
            }
            body.extend(self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Some(Err(Malformed));
            }
        }
    }

    fn trailers(&mut self) -> Option<Vec<(String, String)>> {
        let mut trailers = Vec::new();
        loop {
            let line = self.through(b"\r\n")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            match line.trim_end_matches("\r\n") {
                "" => return Some(trailers),
                line => trailers.push(field(line)),
            }
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

/// A number of digits only.
fn number(text: &str, radix: u32) -> Option<usize> {
    let is_plain = text.chars().all(|character| character.is_digit(radix));
    usize::from_str_radix(text, radix).ok().filter(|_| is_plain)
}
