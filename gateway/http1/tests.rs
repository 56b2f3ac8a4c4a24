//! Which messages are refused, where and why.

mod properties;

use http::Method;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 300, fields: 5, target: 40 };

/// Sends the bytes in pieces; returns the bytes passed on, and the fault.
fn pass_request(checker: &mut RequestChecker, bytes: &[u8], size: usize) -> (Vec<u8>, Option<Fault>) {
    let mut handed_on = Vec::new();
    let mut waiting: Vec<Vec<u8>> = bytes.chunks(size).rev().map(<[u8]>::to_vec).collect();
    let mut head = Vec::new();
    while let Some(piece) = waiting.pop() {
        let passed = checker.pass(&piece);
        if passed.bytes > 0 {
            handed_on.append(&mut head);
        }
        handed_on.extend_from_slice(&piece[..passed.bytes]);
        let rest = piece[passed.bytes..].to_vec();
        match passed.stop {
            None => assert!(rest.is_empty()),
            Some(Stop::HeadIncomplete) => head.extend(rest),
            Some(Stop::Fault(fault)) => return (handed_on, Some(fault)),
            Some(Stop::Undecided) => {
                checker.continue_as_http();
                waiting.push(rest);
            }
            Some(Stop::FieldsToRewrite) => {
                let (taken, rewritten) = checker.collect_fields(&rest);
                handed_on.extend(rewritten.unwrap_or_default());
                if checker.fault().is_none() && taken < rest.len() {
                    waiting.push(rest[taken..].to_vec());
                }
            }
        }
    }
    (handed_on, checker.fault())
}

fn request(bytes: impl AsRef<[u8]>) -> (Vec<u8>, Option<Fault>) {
    pass_request(&mut RequestChecker::new(LIMITS), bytes.as_ref(), usize::MAX)
}

fn pass_reply(method: &Method, bytes: &[u8], size: usize) -> (Vec<u8>, Option<Fault>, bool) {
    let mut checker = ReplyChecker::default();
    checker.expect(method);
    let mut handed_on = Vec::new();
    for piece in bytes.chunks(size) {
        let passed = checker.pass(piece);
        handed_on.extend_from_slice(&piece[..passed.bytes]);
        if passed.stop.is_some() {
            break;
        }
    }
    (handed_on, checker.fault(), checker.is_usable())
}

fn reply(bytes: impl AsRef<[u8]>) -> Option<Fault> {
    pass_reply(&Method::GET, bytes.as_ref(), usize::MAX).1
}

const GOOD_REQUESTS: [&str; 18] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    "X-!#$%&'*+-.^_`|~ /a?b=c|d HTTP/1.1\r\nhOST:\t[::1]:80 \r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nText: \t\u{e9}\"{}\t \r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\n\r\n\0\n\r",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:CHUNKED\r\n\r\n3\r\nabc\r\n0A\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\nX: y\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n1;a=b;c=\"d;\\\"\t e\"\r\nx\r\n1 ; a = b\r\nx\r\n0;a=\"\"\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000001\r\nx\r\n000\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nUpgrade: x\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: xn--a_b.~%41!$&'()*+,;=:8080\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
];

#[test]
fn good_requests_are_handed_on_as_they_came() {
    for bytes in GOOD_REQUESTS {
        let (handed_on, fault) = request(bytes);
        assert_eq!(fault, None, "{bytes:?}");
        assert_eq!(handed_on, bytes.as_bytes(), "{bytes:?}");
    }
}

/// Heads, and the fault of each, and its byte.
const BAD_HEADS: [(&str, Flaw, u64); 53] = [
    ("\r\n\r\nGET / HTTP/1.1\r\n", Flaw::EmptyLines, 2),
    ("\nGET / HTTP/1.1\r\n", Flaw::BareLineFeed, 0),
    (" GET / HTTP/1.1\r\n", Flaw::Method, 0),
    ("\0GET / HTTP/1.1\r\n", Flaw::Method, 0),
    ("G(T / HTTP/1.1\r\n", Flaw::Method, 1),
    ("GET\t/ HTTP/1.1\r\n", Flaw::Method, 3),
    ("GET  / HTTP/1.1\r\n", Flaw::RequestLine, 5),
    ("GET /  HTTP/1.1\r\n", Flaw::RequestLine, 6),
    ("GET / HTTP/1.1 \r\n", Flaw::RequestLine, 6),
    ("GET /a b HTTP/1.1\r\n", Flaw::RequestLine, 7),
    ("GET /\r\n", Flaw::RequestLine, 0),
    ("GET\r\n", Flaw::RequestLine, 0),
    ("GET / \r\n", Flaw::Version, 6),
    ("GET / HTTP/1\r\n", Flaw::Version, 6),
    ("GET / http/1.1\r\n", Flaw::Version, 6),
    ("GET / HTTP/1.10\r\n", Flaw::Version, 6),
    ("GET / HTTP/1.2\r\n", Flaw::UnsupportedVersion, 6),
    ("PRI * HTTP/2.0\r\n", Flaw::UnsupportedVersion, 6),
    ("GET /\u{e9} HTTP/1.1\r\n", Flaw::Target, 5),
    ("GET /\u{7f} HTTP/1.1\r\n", Flaw::Target, 5),
    ("GET a HTTP/1.1\r\n", Flaw::Target, 4),
    ("GET /a?b=\"c\" HTTP/1.1\r\n", Flaw::Target, 9),
    ("GET /<a> HTTP/1.1\r\n", Flaw::Target, 5),
    ("DELETE /folder/#file HTTP/1.1\r\n", Flaw::Fragment, 15),
    ("\r\nDELETE /folder/#file HTTP/1.1\r\n", Flaw::Fragment, 17),
    ("GET * HTTP/1.1\r\n", Flaw::Target, 4),
    ("GET http:///a HTTP/1.1\r\n", Flaw::Target, 4),
    ("GET http://u@a/ HTTP/1.1\r\n", Flaw::Target, 4),
    ("GET ftp://a/ HTTP/1.1\r\n", Flaw::Target, 4),
    ("CONNECT / HTTP/1.1\r\n", Flaw::Target, 8),
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", Flaw::BareLineFeed, 14),
    ("GET / HTTP/1.1\r\nHost: a\n\n", Flaw::BareLineFeed, 23),
    ("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", Flaw::BareCarriageReturn, 23),
    ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Flaw::BareCarriageReturn, 23),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Flaw::FoldedField, 16),
    ("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", Flaw::FoldedField, 25),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Flaw::FieldName, 20),
    ("GET / HTTP/1.1\r\nHost a\r\n\r\n", Flaw::NoColon, 22),
    ("GET / HTTP/1.1\r\n: a\r\n\r\n", Flaw::FieldName, 16),
    ("GET / HTTP/1.1\r\nX\0: a\r\n\r\n", Flaw::FieldName, 17),
    ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", Flaw::FieldValue, 20),
    ("GET / HTTP/1.1\r\nX: \u{b}\r\n\r\n", Flaw::FieldValue, 19),
    ("GET / HTTP/1.1\r\n\r\n", Flaw::NoHost, 16),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Flaw::TwoHosts, 25),
    ("GET / HTTP/1.0\r\nHost: a\r\nhost:\r\n\r\n", Flaw::TwoHosts, 25),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Flaw::BadHost, 16),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", Flaw::BadHost, 16),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Flaw::BadHost, 16),
    ("GET / HTTP/1.1\r\nHost: a:+1\r\n\r\n", Flaw::BadHost, 16),
    ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Flaw::BadHost, 16),
    ("GET / HTTP/1.1\r\nHost: %4\r\n\r\n", Flaw::BadHost, 16),
    ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", Flaw::BadHost, 16),
    ("\u{16}\u{3}\u{1}\u{2}\0", Flaw::TlsHandshake, 0),
];

#[test]
fn bad_heads_are_refused_where_they_are_bad() {
    for (bytes, flaw, place) in BAD_HEADS {
        assert_eq!(request(bytes), (vec![], Some(Fault { flaw, place })), "{bytes:?}");
    }
}

/// Fields of a POST with a Host, and their fault.
const BAD_FRAMING: [(&str, Flaw); 26] = [
    ("Content-Length:", Flaw::BadLength),
    ("Content-Length: +5", Flaw::BadLength),
    ("Content-Length: -5", Flaw::BadLength),
    ("Content-Length: 0x5", Flaw::BadLength),
    ("Content-Length: 5 5", Flaw::BadLength),
    ("Content-Length: 5, 5", Flaw::BadLength),
    ("Content-Length: 5,", Flaw::BadLength),
    ("Content-Length: 0_5", Flaw::BadLength),
    ("Content-Length: 9223372036854775808", Flaw::BadLength),
    ("Content-Length: 18446744073709551621", Flaw::BadLength),
    ("Content-Length: \u{665}", Flaw::BadLength),
    ("Content-Length: 5\r\nContent-Length: 5", Flaw::TwoLengths),
    ("Content-Length: 5\r\ncontent-length: 6", Flaw::TwoLengths),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", Flaw::LengthAndCoding),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5", Flaw::LengthAndCoding),
    ("Transfer-Encoding: gzip", Flaw::BadCoding),
    ("Transfer-Encoding: xchunked", Flaw::BadCoding),
    ("Transfer-Encoding: gzip, chunked", Flaw::UnknownCoding),
    ("Transfer-Encoding: chunked, chunked", Flaw::UnknownCoding),
    ("Transfer-Encoding: chunked;a=b", Flaw::UnknownCoding),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Flaw::UnknownCoding),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Flaw::BadCoding),
    ("Transfer-Encoding:", Flaw::BadCoding),
    ("Transfer-Encoding: chunked,", Flaw::BadCoding),
    ("Transfer-Encoding: \"chunked\"", Flaw::BadCoding),
    ("Transfer-Encoding: chun ked", Flaw::BadCoding),
];

#[test]
fn ambiguous_framing_is_refused() {
    for (fields, flaw) in BAD_FRAMING {
        let (handed_on, fault) = request(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
        assert_eq!((handed_on, fault.map(|fault| fault.flaw)), (vec![], Some(flaw)), "{fields:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(request(old).1.map(|fault| fault.flaw), Some(Flaw::CodingInHttp10));
}

/// Chunked bodies: how many bytes are passed on, and the fault.
const BAD_CHUNKS: [(&str, usize, Flaw); 34] = [
    ("\r\n", 0, Flaw::ChunkSize),
    ("3\r\nabc\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 8, Flaw::ChunkSize),
    ("+5\r\n", 0, Flaw::ChunkSize),
    ("-5\r\n", 0, Flaw::ChunkSize),
    ("0x5\r\n", 1, Flaw::ChunkSize),
    ("0_2e\r\n", 1, Flaw::ChunkSize),
    (" 5\r\n", 0, Flaw::ChunkSize),
    ("5g\r\n", 1, Flaw::ChunkSize),
    (";a\r\n", 0, Flaw::ChunkSize),
    ("00000000000000005\r\n", 16, Flaw::ChunkTooLarge),
    ("8000000000000000\r\n", 15, Flaw::ChunkTooLarge),
    ("5\n", 1, Flaw::ChunkSize),
    ("5\rx", 2, Flaw::ChunkExtension),
    ("5 \r\n", 2, Flaw::ChunkExtension),
    ("5 5\r\n", 2, Flaw::ChunkExtension),
    ("3;a=\nxx\r\nabc\r\n", 4, Flaw::ChunkExtension),
    ("3;a\nxx\r\nabc\r\n", 3, Flaw::ChunkExtension),
    ("3;\r\n", 2, Flaw::ChunkExtension),
    ("3;a;\r\n", 4, Flaw::ChunkExtension),
    ("3;a=\r\n", 4, Flaw::ChunkExtension),
    ("3;a=b c\r\n", 6, Flaw::ChunkExtension),
    ("3;a b\r\n", 4, Flaw::ChunkExtension),
    ("3;a=\"b\r\n", 6, Flaw::ChunkExtension),
    ("3;a=\"b\"c\r\n", 7, Flaw::ChunkExtension),
    ("3;a=\"\\\n\"\r\n", 6, Flaw::ChunkExtension),
    ("3;\0\r\n", 2, Flaw::ChunkExtension),
    ("1\r\nxy\r\n", 4, Flaw::ChunkEnd),
    ("1\r\nx\n0\r\n\r\n", 4, Flaw::ChunkEnd),
    ("1\r\nx\r0\r\n\r\n", 5, Flaw::ChunkEnd),
    ("0\r\n\n", 3, Flaw::BareLineFeed),
    ("0\r\nX: y\n\n", 7, Flaw::BareLineFeed),
    ("0\r\n X: y\r\n\r\n", 3, Flaw::FoldedField),
    ("0\r\nX\r\n\r\n", 4, Flaw::NoColon),
    ("0\r\nContent-Length: 5\r\n\r\n", 3, Flaw::ForbiddenTrailer),
];

#[test]
fn bad_chunks_are_refused_and_nothing_after_them_is_handed_on() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, good, flaw) in BAD_CHUNKS {
        let (handed_on, fault) = request(format!("{head}{body}"));
        let place = u64::try_from(head.len() + good).unwrap();
        assert_eq!(fault, Some(Fault { flaw, place }), "{body:?}");
        assert_eq!(handed_on, format!("{head}{}", &body[..good]).as_bytes(), "{body:?}");
    }
}

#[test]
fn limits_are_exact_and_have_their_own_statuses() {
    let of_target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 1));
    let of_bytes =
        |length: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(length - 32));
    let of_fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X:\r\n".repeat(count - 1));
    for (good, bad, status, limit) in [
        (of_target(40), of_target(41), 414, "limits.target_bytes"),
        (of_bytes(300), of_bytes(301), 431, "limits.header_bytes"),
        (of_fields(5), of_fields(6), 431, "limits.header_fields"),
    ] {
        assert_eq!(request(&good).1, None, "{good:?}");
        let fault = request(&bad).1.unwrap();
        assert_eq!((fault.status().as_u16(), fault.limit()), (status, Some(limit)), "{bad:?}");
    }
    let endless = format!("GET /{}", "a".repeat(40));
    assert_eq!(request(endless).1.map(|fault| fault.flaw), Some(Flaw::TargetTooLong));
    assert_eq!(request("A".repeat(301)).1.map(|fault| fault.flaw), Some(Flaw::HeadTooLarge));
    assert_eq!(
        request("GET / HTTP/2.0\r\n").1.map(Fault::status),
        Some(http::StatusCode::HTTP_VERSION_NOT_SUPPORTED)
    );
}

#[test]
fn extensions_of_chunks_are_bounded_one_by_one_and_together() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let flaw = |body: String| request(format!("{head}{body}")).1.map(|fault| fault.flaw);
    let chunk = |length: usize| format!("1;{}\r\nx\r\n", "a".repeat(length));
    assert_eq!(flaw(chunk(4000)), None);
    assert_eq!(flaw(chunk(4100)), Some(Flaw::ChunkExtensionTooLong));
    assert_eq!(flaw(chunk(100).repeat(1000)), Some(Flaw::ChunkExtensionTooLong));
    assert_eq!(flaw(format!("64;{}\r\n{}\r\n", "a".repeat(90), "x".repeat(100)).repeat(1000)), None);
}

#[test]
fn trailers_are_captured_but_for_what_may_not_be_one() {
    let mut checker = ReplyChecker::default();
    checker.expect(&Method::GET);
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\nX-Sum: 2\r\n\r\n";
    for piece in reply.as_bytes().chunks(7) {
        checker.pass(piece);
    }
    let trailers = checker.take_trailers().unwrap();
    let values: Vec<_> = trailers.get_all("x-sum").iter().collect();
    assert_eq!(values, ["1", "2"]);
    assert_eq!(trailers.len(), 2);
    assert_eq!(checker.take_trailers(), None);
}

#[test]
fn the_target_of_an_absolute_url_wins_over_host() {
    for host in ["Host: B:80\r\n", "Host: other\r\n", "host: b\r\n"] {
        let (handed_on, fault) = request(format!(
            "GET http://b/x HTTP/1.1\r\nA: 1\r\n{host}B: 2\r\n\r\nGET / HTTP/1.1\r\nHost: c\r\n\r\n"
        ));
        assert_eq!(fault, None);
        let expected =
            "GET http://b/x HTTP/1.1\r\nHost: b\r\nA: 1\r\nB: 2\r\n\r\nGET / HTTP/1.1\r\nHost: c\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&handed_on), expected);
    }
    let twice = "GET http://b/x HTTP/1.1\r\nHost: b\r\nHost: c\r\n\r\n";
    assert_eq!(request(twice).1.map(|fault| fault.flaw), Some(Flaw::TwoHosts));
    assert_eq!(request("GET http://b/x HTTP/1.1\r\n\r\n").1.map(|fault| fault.flaw), Some(Flaw::NoHost));
}

#[test]
fn the_requests_before_a_bad_one_are_handed_on() {
    let good = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let (handed_on, fault) = request(format!("{good}{good}GET /b HTTP/1.1\r\nHost : a\r\n\r\n"));
    assert_eq!(handed_on, good.repeat(2).as_bytes());
    assert_eq!(fault.map(|fault| fault.flaw), Some(Flaw::FieldName));
}

#[test]
fn another_protocol_is_not_looked_at() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
    let mut checker = RequestChecker::new(LIMITS);
    let bytes = format!("{head}\0\n");
    let passed = checker.pass(bytes.as_bytes());
    assert_eq!(passed, Passed { bytes: head.len(), stop: Some(Stop::Undecided) });
    checker.become_opaque();
    assert_eq!(checker.pass(b"\0\n"), Passed { bytes: 2, stop: None });
}

#[test]
fn good_replies_pass_and_leave_the_connection_usable() {
    for (method, bytes) in [
        (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
        (Method::GET, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
        (Method::GET, "HTTP/1.0 299 \r\nContent-Length:1\r\n\r\na"),
        (Method::GET, "HTTP/1.1 200 OK\nContent-Length: 2\n\nab"),
        (Method::GET, "HTTP/1.1 200 OK\r\nX : y\r\n z\r\nContent-Length: 2\r\n\r\nab"),
        (Method::GET, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 204 N\r\n\r\n"),
        (Method::GET, "HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n"),
        (Method::HEAD, "HTTP/1.1 200 O\r\nContent-Length: 7\r\n\r\n"),
        (Method::HEAD, "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Method::GET, "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nab\r\n0\r\n\r\n"),
    ] {
        let (handed_on, fault, is_usable) = pass_reply(&method, bytes.as_bytes(), usize::MAX);
        assert_eq!((fault, is_usable), (None, true), "{bytes:?}");
        assert_eq!(handed_on, bytes.as_bytes());
    }
}

#[test]
fn replies_without_end_or_of_another_protocol_use_the_connection_up() {
    for (method, bytes) in [
        (Method::GET, "HTTP/1.1 200 OK\r\n\r\nab\0\n\r"),
        (Method::GET, "HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n\0\n"),
        (Method::CONNECT, "HTTP/1.1 200 OK\r\n\r\n\0\n"),
    ] {
        let (handed_on, fault, is_usable) = pass_reply(&method, bytes.as_bytes(), usize::MAX);
        assert_eq!((fault, is_usable), (None, false), "{bytes:?}");
        assert_eq!(handed_on, bytes.as_bytes());
    }
}

#[test]
fn bad_replies_are_refused() {
    let fields = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    for (bytes, flaw) in [
        ("\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.2 200 OK\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.1 2000\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.1 200 O\0K\r\n\r\n".to_owned(), Flaw::StatusLine),
        ("ok\r\n".to_owned(), Flaw::StatusLine),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), Flaw::CodingInHttp10),
        (fields("Content-Length: 5, 5"), Flaw::BadLength),
        (fields("Content-Length: 5\r\nContent-Length: 5"), Flaw::TwoLengths),
        (fields("Content-Length: 5\r\n 6"), Flaw::FoldedField),
        (fields("Content-Length : 5\r\nTransfer-Encoding : chunked"), Flaw::LengthAndCoding),
        (fields("Transfer-Encoding: gzip"), Flaw::BadCoding),
        (fields("Transfer-Encoding:\r\n chunked"), Flaw::BadCoding),
        (fields("X: a\rb"), Flaw::BareCarriageReturn),
        (fields(" X: a"), Flaw::FoldedField),
        (fields("X y: a"), Flaw::FieldName),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\r\n0\r\n\r\n".to_owned(),
            Flaw::ChunkSize,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab".to_owned(), Flaw::Unasked),
        ("HTTP/1.1 204 N\r\nContent-Length: 1\r\n\r\na".to_owned(), Flaw::Unasked),
    ] {
        assert_eq!(reply(&bytes).map(|fault| fault.flaw), Some(flaw), "{bytes:?}");
    }
}

#[test]
fn nothing_is_expected_before_a_request_and_no_request_before_the_reply_is_complete() {
    let mut checker = ReplyChecker::default();
    assert!(checker.is_usable());
    assert!(checker.pass(b"HTTP/1.1 408 T\r\n\r\n").stop.is_some());
    assert!(!checker.is_usable());
    let mut checker = ReplyChecker::default();
    checker.expect(&Method::GET);
    checker.pass(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    checker.expect(&Method::GET);
    assert_eq!(checker.fault().map(|fault| fault.flaw), Some(Flaw::Unasked));
}

/// What the checker lets through has to be readable: what fails later has no place, no log line and no metric.
#[test]
fn a_target_passes_if_it_can_be_read() {
    for before in ["/a", "/a?b", "/a?b?"] {
        for byte in (0x21..=0x7e_u8).filter(|byte| *byte != b'#') {
            let target = format!("{before}{}c", char::from(byte));
            let is_readable = target.parse::<http::Uri>().is_ok();
            let passes = request(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).1.is_none();
            assert_eq!(passes, is_readable, "{target}");
        }
    }
}
