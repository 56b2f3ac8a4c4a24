//! A raw HTTP/1.1 client: it sends exactly the bytes it is given and reads one reply at a time, with
//! a bound on the time of everything.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use batchgate::clock::Stopwatch;

use serde_json::Value;

use super::wait::PATIENCE;

/// A request to be written; Host and Content-Length are added unless they are among the headers.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request with this method and target.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// A GET.
    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST of a body.
    pub(crate) fn post(target: &str, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).header("Content-Type", content_type).body(body)
    }

    /// A batch in JSON to `/batch`.
    pub(crate) fn batch(batch: &Value) -> Self {
        Self::post("/batch", "application/json", batch.to_string())
    }

    /// A batch in NDJSON to `/batch`.
    pub(crate) fn lines(lines: impl AsRef<[u8]>) -> Self {
        Self::post("/batch", "application/x-ndjson", lines)
    }

    /// A batch in XML to `/batch`.
    pub(crate) fn xml_batch(batch: &str) -> Self {
        Self::post("/batch", "application/xml", batch)
    }

    /// With one more field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The bytes on the wire.
    pub(crate) fn to_bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        let has = |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !has("Host") {
            lines.push(format!("Host: {host}"));
        }
        if let Some(body) = self.body.as_ref().filter(|_| !has("Content-Length")) {
            lines.push(format!("Content-Length: {}", body.len()));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let head = lines.join("\r\n") + "\r\n\r\n";
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }

    /// Sends it on a connection of its own and reads the reply.
    pub(crate) fn send(&self, to: SocketAddr) -> Reply {
        let mut connection = Connection::open(to);
        connection.write(&self.to_bytes(to));
        connection.reply_to(&self.method)
    }
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Its version, `HTTP/1.1`.
    pub(crate) version: String,
    /// Its status.
    pub(crate) status: u16,
    /// The fields in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, its transfer coding undone.
    pub(crate) body: Vec<u8>,
    /// What came behind a body in chunks.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Reply {
    /// A field's value; the first, if it is there more than once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {} {text}", self.status))
    }

    /// The lines of a body in NDJSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        text.lines().map(line).collect()
    }

    /// The results of a batch that was accepted, in JSON.
    pub(crate) fn results(&self) -> Vec<Value> {
        assert_eq!(self.status, 207, "no multi-status: {}", String::from_utf8_lossy(&self.body));
        self.json()["responses"].as_array().unwrap().clone()
    }

    /// The statuses of a batch's results.
    pub(crate) fn statuses(&self) -> Vec<u64> {
        self.results().iter().map(|result| result["status"].as_u64().unwrap()).collect()
    }

    /// The one result of a batch of one.
    pub(crate) fn only_result(&self) -> Value {
        let results = self.results();
        assert_eq!(results.len(), 1);
        results[0].clone()
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Of a body that is read line by line: what was read, its transfer coding undone.
    body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).unwrap_or_else(|e| panic!("{to}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new(), body: Vec::new() }
    }

    /// Sends these bytes. A server that has closed already is not an error: it may have answered.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Sends these bytes; false if the server has closed before it took them.
    pub(crate) fn write_whole(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends the same bytes again and again, with a pause before each time, until the server has closed;
    /// says how long that took. Replies are thrown away.
    ///
    /// # Panics
    /// When the server does not close within [`PATIENCE`].
    pub(crate) fn trickle(&mut self, bytes: &[u8], pause: Duration) -> Duration {
        let stopwatch = Stopwatch::start();
        self.stream.set_read_timeout(Some(pause)).unwrap();
        let mut buffer = [0; 16 << 10];
        loop {
            assert!(stopwatch.elapsed() < PATIENCE, "the connection is still open");
            let written = self.stream.write_all(bytes);
            match self.stream.read(&mut buffer) {
                Ok(0) => return stopwatch.elapsed(),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return stopwatch.elapsed(),
            }
            if written.is_err() {
                return stopwatch.elapsed();
            }
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_writing(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Reads the final reply to a request with this method.
    pub(crate) fn reply_to(&mut self, method: &str) -> Reply {
        let mut reply = self.head();
        while (100..200).contains(&reply.status) && reply.status != 101 {
            reply = self.head();
        }
        let bodiless = method == "HEAD" || [204, 304].contains(&reply.status);
        if !bodiless {
            (reply.body, reply.trailers) = self.body(&reply);
        }
        reply
    }

    /// Reads a reply's head; 1xx replies too.
    pub(crate) fn head(&mut self) -> Reply {
        let head = String::from_utf8_lossy(&self.through(b"\r\n\r\n")).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let (version, rest) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
        let (version, status) =
            (version.to_owned(), rest.split(' ').next().and_then(|code| code.parse().ok()));
        let headers = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}")))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let status = status.unwrap_or_else(|| panic!("no status line in {head:?}"));
        Reply { version, status, headers, body: Vec::new(), trailers: Vec::new() }
    }

    /// Reads a line of a body in chunks, as JSON.
    pub(crate) fn body_line(&mut self) -> Value {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.body) {
                let line: Vec<u8> = self.body.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let chunk = self.chunk();
            self.body.extend(chunk.unwrap_or_else(|| panic!("the body ended")));
        }
    }

    /// Reads the next chunk of a body; `None` at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.through(b"\r\n")).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = self.exactly(size);
        assert_eq!(self.exactly(2), b"\r\n");
        Some(chunk).filter(|_| size > 0)
    }

    fn body(&mut self, head: &Reply) -> (Vec<u8>, Vec<(String, String)>) {
        let chunked = head.header("Transfer-Encoding").is_some_and(|coding| coding.contains("chunked"));
        match head.header("Content-Length") {
            _ if chunked => self.chunks(),
            Some(length) => (self.exactly(length.parse().unwrap()), Vec::new()),
            None => (self.rest(), Vec::new()),
        }
    }

    fn chunks(&mut self) -> (Vec<u8>, Vec<(String, String)>) {
        let mut body = Vec::new();
        loop {
            let line = self.through(b"\r\n");
            let size = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
            if size == 0 {
                return (body, self.trailers());
            }
            body.extend(self.exactly(size));
            assert_eq!(self.exactly(2), b"\r\n");
        }
    }

    fn trailers(&mut self) -> Vec<(String, String)> {
        let mut trailers = Vec::new();
        loop {
            let line = String::from_utf8_lossy(&self.through(b"\r\n")).into_owned();
            match line.trim_end().split_once(':') {
                Some((name, value)) => trailers.push((name.to_owned(), value.trim().to_owned())),
                None => return trailers,
            }
        }
    }

    /// Reads up to and with this pattern.
    pub(crate) fn through(&mut self, pattern: &[u8]) -> Vec<u8> {
        loop {
            if let Some(start) = memchr::memmem::find(&self.unread, pattern) {
                return self.unread.drain(..start + pattern.len()).collect();
            }
            if !self.read_more() {
                let what = String::from_utf8_lossy(&self.unread);
                panic!("the connection ended before {pattern:?}, after {what:?}");
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            let have = self.unread.len();
            assert!(self.read_more(), "the connection ended after {have} of {length} bytes");
        }
        self.unread.drain(..length).collect()
    }

    /// Reads all until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.unread)
    }

    /// Reads until the server closes, or these many bytes are there.
    pub(crate) fn rest_up_to(&mut self, most: usize) -> Vec<u8> {
        while self.unread.len() < most && self.read_more() {}
        std::mem::take(&mut self.unread)
    }

    /// Reads once, which may bring nothing; false at the end of the connection.
    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.unread.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("no reply within {PATIENCE:?}: {error}"),
        }
    }
}
