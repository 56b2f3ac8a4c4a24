//! Requests and answers by chance; the same for the same number.

use crate::harness::Answer;

/// Random numbers from a seed (xorshift, after a few turns to mix small seeds).
pub(super) struct Dice(u64);

/// A request as it is sent.
pub(super) struct Sent {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) bytes: Vec<u8>,
}

const METHODS: [&str; 12] =
    ["GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND", "REPORT"];

const SEGMENTS: [&str; 30] = [
    "a",
    "items",
    "42",
    "%20",
    "%2F",
    "a%2Fb",
    "caf%C3%A9",
    "a;b=c",
    "a,b",
    "(x)",
    "x'y",
    "~u",
    "%7Eu",
    "a+b",
    "*",
    "@me",
    "a:b",
    "$batch",
    "a=b",
    "%e2%82%ac",
    "-._!",
    "a&b",
    "%3F",
    "%23x",
    "%25",
    "..a",
    "a..",
    ".",
    "%2e%2E",
    "..;x",
];

const QUERIES: [&str; 14] = [
    "",
    "",
    "",
    "?",
    "?q=1",
    "?a=b&c=%20d",
    "?x=/../y",
    "?u=http://h/?p",
    "?e=+%2B",
    "?a=1&a=2",
    "?%C3%A9=%c3%a9",
    "?$filter=a%20eq%20'b'",
    "?a=b;c=d",
    "??=?",
];

const FIELDS: [(&str, &[&str]); 24] = [
    ("Accept", &["*/*", "text/html, application/json;q=0.5", "application/json"]),
    ("Accept-Encoding", &["gzip", "identity", "br;q=1.0, gzip;q=0.8, *;q=0"]),
    ("Accept-Language", &["de-CH, de;q=0.9", "en"]),
    ("Authorization", &["Bearer abc.def", "Basic dTpw"]),
    ("Cache-Control", &["no-cache", "max-age=0", "only-if-cached"]),
    ("Cookie", &["a=1", "a=1; b=\"2\"; c=%20"]),
    ("Content-Language", &["de"]),
    ("Content-Type", &["text/plain", "application/json; charset=utf-8", "multipart/form-data; boundary=x"]),
    ("Depth", &["0", "1"]),
    ("From", &["a@example.org"]),
    ("If-Match", &["\"a\", \"b\"", "*"]),
    ("If-Modified-Since", &["Sat, 29 Oct 1994 19:43:31 GMT"]),
    ("If-None-Match", &["W/\"x\"", "*"]),
    ("If-Range", &["\"a\""]),
    ("Origin", &["http://example.org", "null"]),
    ("Pragma", &["no-cache"]),
    ("Prefer", &["return=minimal", "respond-async, wait=10"]),
    ("Range", &["bytes=0-9", "bytes=5-, -3"]),
    ("Referer", &["http://example.org/a?b"]),
    ("User-Agent", &["curl/8", "Mozilla/5.0 (X11; Linux) \"odd\""]),
    ("X-Empty", &[""]),
    ("X-Many", &["one", "two, three", "\"a, b\""]),
    ("x-lower-Case", &["a\tb", "  spaces around  ", "semi;colon=\"x\""]),
    ("X-Latin", &["caf\u{e9}", "\u{20ac}"]),
];

const STATUSES: [u16; 26] = [
    200, 200, 200, 200, 201, 202, 203, 204, 206, 207, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404,
    409, 412, 429, 500, 503,
];

const ANSWERED: [(&str, &[&str]); 17] = [
    ("Allow", &["GET, PUT"]),
    ("Cache-Control", &["no-store", "public, max-age=60"]),
    ("Content-Disposition", &["attachment; filename=\"a b.txt\""]),
    ("Content-Language", &["en"]),
    ("Content-Location", &["/items/42"]),
    ("ETag", &["\"abc\"", "W/\"d,e\""]),
    ("Expires", &["0", "Thu, 01 Dec 1994 16:00:00 GMT"]),
    ("Last-Modified", &["Sat, 29 Oct 1994 19:43:31 GMT"]),
    ("Link", &["</a>; rel=next", "</b>; rel=prev"]),
    ("Location", &["/elsewhere", "http://example.org/a", "https://other.example/?x=1#y"]),
    ("Retry-After", &["5"]),
    ("Set-Cookie", &["a=1; Path=/", "b=\"2, 3\"; HttpOnly"]),
    ("Set-Cookie", &["c=3; Expires=Thu, 01 Dec 1994 16:00:00 GMT"]),
    ("Vary", &["Accept", "*"]),
    ("WWW-Authenticate", &["Basic realm=\"a, b\"", "Bearer"]),
    ("X-Empty", &[""]),
    ("x-odd_Name.1", &["v", "\"quoted\"", "caf\u{e9}"]),
];

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.roll();
        }
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).unwrap();
        usize::try_from((self.roll() >> 16) % sides).unwrap()
    }

    fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }

    fn body(&mut self) -> Vec<u8> {
        let size = self.one_of(&[0, 1, 10, 100, 3000]);
        (0..size).map(|_| self.one_of(b"abc \r\n\0\xff0{}<>")).collect()
    }

    fn target(&mut self) -> String {
        let mut target = String::new();
        for _ in 0..=self.below(4) {
            // Few that are refused, so that most requests say something.
            let sides = if self.below(40) == 0 { SEGMENTS.len() } else { SEGMENTS.len() - 3 };
            target += "/";
            target += SEGMENTS[self.below(sides)];
        }
        if self.below(4) == 0 {
            target += "/";
        }
        target + self.one_of(&QUERIES)
    }

    /// A request that says in a field which one it is.
    pub(super) fn request(&mut self, case: u64) -> Sent {
        let (method, target) = (self.one_of(&METHODS), self.target());
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: example.org\r\nX-Case: {case}\r\n");
        for _ in 0..self.below(8) {
            let (name, values) = self.one_of(&FIELDS);
            // A field with one meaning only may not come twice.
            if name == "X-Many" || !head.contains(&format!("\r\n{name}:")) {
                head.extend([name, ": ", self.one_of(values), "\r\n"]);
            }
        }
        let body = if matches!(method, "GET" | "HEAD" | "OPTIONS") { Vec::new() } else { self.body() };
        let bytes = match self.below(3) {
            0 if !body.is_empty() => [head.as_bytes(), &self.chunks(&body)].concat(),
            _ if matches!(method, "GET" | "HEAD" | "OPTIONS") => [head.as_bytes(), b"\r\n"].concat(),
            _ => [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat(),
        };
        Sent { method, target, bytes }
    }

    fn chunks(&mut self, body: &[u8]) -> Vec<u8> {
        let size = self.one_of(&[1, 7, 1000]).max(body.len() / 50);
        let mut bytes = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(size) {
            bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        [&bytes[..], b"0\r\n\r\n"].concat()
    }

    /// An answer in one of the framings of HTTP/1.1.
    pub(super) fn answer(&mut self) -> Answer {
        let (status, body) = (self.one_of(&STATUSES), self.body());
        let mut answer = match status {
            204 | 304 => Answer::empty(status),
            _ => Answer::of(status, self.one_of(&["text/plain", "application/json", "image/png"]), body),
        };
        // nginx says its own name where the service has none.
        answer = answer.header("Server", "service/1.0");
        for _ in 0..self.below(6) {
            let (name, values) = self.one_of(&ANSWERED);
            answer = answer.header(name, self.one_of(values));
        }
        match self.below(4) {
            _ if matches!(status, 204 | 304) => answer,
            0 => answer.chunked(),
            1 => answer.until_close(),
            _ => answer,
        }
    }
}
