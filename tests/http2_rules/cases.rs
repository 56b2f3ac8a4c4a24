//! The cases, by what they are about. Codes: 1 `PROTOCOL_ERROR`, 3 `FLOW_CONTROL_ERROR`, 5 `STREAM_CLOSED`,
//! 6 `FRAME_SIZE_ERROR`, 9 `COMPRESSION_ERROR`. Of frames that it can't read, the h2 library says 1 where the RFC
//! has a code of its own: the connection ends all the same, so that is taken too.

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PADDED, PING, POST, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, field, frame,
};

/// What a rule demands.
#[derive(Debug)]
pub(super) enum Expected {
    /// GOAWAY with one of these codes, or the end of the connection.
    ConnectionError(&'static [u8]),
    /// `RST_STREAM` with one of these codes, or an error of the connection.
    StreamError(&'static [u8]),
    /// A stream error, or 400; and nothing reaches the service.
    Malformed,
    /// 200, and one request at the service.
    Served,
    /// The connection goes on.
    Unharmed,
}

use Expected::{ConnectionError, Malformed, Served, StreamError, Unharmed};

/// A case.
pub(super) struct Case {
    pub(super) rule: &'static str,
    pub(super) sent: Vec<u8>,
    pub(super) expected: Expected,
}

fn case(rule: &'static str, sent: impl AsRef<[u8]>, expected: Expected) -> Case {
    Case { rule, sent: sent.as_ref().to_vec(), expected }
}

/// A frame of a wrong size.
const SIZE: &[u8] = &[6, 1];
/// A window or its setting out of bounds.
const FLOW: &[u8] = &[3, 1];

const WHOLE: u8 = END_STREAM | END_HEADERS;

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, GET)
}

/// The head of a POST whose body is still to come.
fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, POST)
}

fn with(head: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    frame(HEADERS, WHOLE, 1, &[head, &fields].concat())
}

/// Frames in states that don't allow them (RFC 9113 §5.1, §6.2, §6.6, §6.10).
pub(super) fn states() -> Vec<Case> {
    vec![
        case("DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), ConnectionError(&[1])),
        case("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), ConnectionError(&[1])),
        case(
            "WINDOW_UPDATE on an idle stream",
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]),
            ConnectionError(&[1]),
        ),
        case("CONTINUATION on an idle stream", frame(CONTINUATION, 4, 1, GET), ConnectionError(&[1])),
        case(
            "DATA behind the end of a stream",
            [get(1), frame(DATA, 1, 1, b"x")].concat(),
            StreamError(&[5, 1]),
        ),
        case("HEADERS behind the end of a stream", [get(1), get(1)].concat(), StreamError(&[5, 1])),
        case("an even stream", get(2), ConnectionError(&[1])),
        case("a stream below another", [get(5), get(3)].concat(), StreamError(&[1, 5])),
        case(
            "another frame within a header",
            [frame(HEADERS, END_STREAM, 1, GET), frame(PING, 0, 0, b"12345678")].concat(),
            ConnectionError(&[1]),
        ),
        case(
            "a header of another stream within a header",
            [frame(HEADERS, END_STREAM, 1, GET), get(3)].concat(),
            ConnectionError(&[1]),
        ),
        case(
            "CONTINUATION behind a whole header",
            [get(1), frame(CONTINUATION, 4, 1, GET)].concat(),
            ConnectionError(&[1]),
        ),
        case(
            "PUSH_PROMISE of a client",
            frame(PUSH_PROMISE, 4, 1, &[&[0, 0, 0, 2], GET].concat()),
            ConnectionError(&[1]),
        ),
        case(
            "trailers that end nothing",
            [post(1), frame(HEADERS, END_HEADERS, 1, &field("x", "y"))].concat(),
            StreamError(&[1]),
        ),
    ]
}

/// Sizes and streams of frames (§4.2, §6).
pub(super) fn sizes() -> Vec<Case> {
    vec![
        case(
            "DATA over the largest size",
            [post(1), frame(DATA, 1, 1, &[0; 16_385])].concat(),
            StreamError(SIZE),
        ),
        case(
            "HEADERS over the largest size",
            frame(HEADERS, WHOLE, 1, &[0x82; 16_385]),
            ConnectionError(SIZE),
        ),
        case("DATA of the connection", frame(DATA, 1, 0, b"x"), ConnectionError(&[1])),
        case("HEADERS of the connection", frame(HEADERS, WHOLE, 0, GET), ConnectionError(&[1])),
        case("PRIORITY of the connection", frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 1]), ConnectionError(&[1])),
        case("PRIORITY of four bytes", [post(1), frame(PRIORITY, 0, 1, &[0; 4])].concat(), StreamError(SIZE)),
        case("RST_STREAM of the connection", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), ConnectionError(&[1])),
        case(
            "RST_STREAM of three bytes",
            [post(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(),
            ConnectionError(SIZE),
        ),
        case("PING of a stream", frame(PING, 0, 1, &[0; 8]), ConnectionError(&[1])),
        case("PING of seven bytes", frame(PING, 0, 0, &[0; 7]), ConnectionError(SIZE)),
        case("GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), ConnectionError(&[1])),
        case("CONTINUATION of the connection", frame(CONTINUATION, 4, 0, GET), ConnectionError(&[1])),
        case(
            "padding as long as the frame",
            [post(1), frame(DATA, PADDED | 1, 1, &[9, 0, 0])].concat(),
            ConnectionError(&[1]),
        ),
        case(
            "padding of a header as long as the frame",
            frame(HEADERS, WHOLE | PADDED, 1, &[9, 0x82]),
            ConnectionError(&[1]),
        ),
    ]
}

/// SETTINGS and windows (§6.5, §6.9).
pub(super) fn settings_and_windows() -> Vec<Case> {
    let setting = |id: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat());
    let most = 0x7fff_ffff_u32.to_be_bytes();
    vec![
        case("SETTINGS of a stream", frame(SETTINGS, 0, 1, b""), ConnectionError(&[1])),
        case("SETTINGS of five bytes", frame(SETTINGS, 0, 0, &[0; 5]), ConnectionError(SIZE)),
        case("an acknowledgement with a payload", frame(SETTINGS, 1, 0, &[0; 6]), ConnectionError(SIZE)),
        case("ENABLE_PUSH of 2", setting(2, 2), ConnectionError(&[1])),
        case("INITIAL_WINDOW_SIZE of 2^31", setting(4, 1 << 31), ConnectionError(FLOW)),
        case("MAX_FRAME_SIZE of 16383", setting(5, 16_383), ConnectionError(&[1])),
        case("MAX_FRAME_SIZE of 2^24", setting(5, 1 << 24), ConnectionError(&[1])),
        case(
            "a window of the connection opened by 0",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            ConnectionError(&[1]),
        ),
        case(
            "a window of a stream opened by 0",
            [post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
            StreamError(&[1]),
        ),
        case("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), ConnectionError(SIZE)),
        case(
            "a window of the connection over 2^31",
            frame(WINDOW_UPDATE, 0, 0, &most),
            ConnectionError(FLOW),
        ),
        case(
            "a window of a stream over 2^31",
            [post(1), frame(WINDOW_UPDATE, 0, 1, &most)].concat(),
            StreamError(FLOW),
        ),
        case(
            "a window of a stream over 2^31 by settings",
            [post(1), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0, 0]), setting(4, 0x7fff_ffff)].concat(),
            ConnectionError(FLOW),
        ),
    ]
}

/// Requests that are malformed (§8.1.1, §8.2, §8.3).
pub(super) fn malformed_requests() -> Vec<Case> {
    let bare = |head: &[u8]| frame(HEADERS, WHOLE, 1, head);
    let body = |length: &str, sent: &[u8]| {
        let head = [POST, &field("content-length", length)].concat();
        [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, sent)].concat()
    };
    vec![
        case("a name in upper case", with(GET, &[("X-Upper", "a")]), Malformed),
        case("an unknown pseudo-field", with(GET, &[(":odd", "a")]), Malformed),
        case("a pseudo-field of replies", with(GET, &[(":status", "200")]), Malformed),
        case("a pseudo-field behind others", bare(&[&field("x", "y"), GET].concat()), Malformed),
        case("no method", bare(b"\x86\x84\x41\x01x"), Malformed),
        case("no scheme", bare(b"\x82\x84\x41\x01x"), Malformed),
        case("no path", bare(b"\x82\x86\x41\x01x"), Malformed),
        case("an empty path", bare(&[b"\x82\x86\x41\x01x", &field(":path", "")[..]].concat()), Malformed),
        case("two methods", bare(&[b"\x82", GET].concat()), Malformed),
        case("two paths", bare(&[b"\x84", GET].concat()), Malformed),
        case("two schemes", bare(&[b"\x86", GET].concat()), Malformed),
        case("Connection", with(GET, &[("connection", "close")]), Malformed),
        case("Transfer-Encoding", with(GET, &[("transfer-encoding", "chunked")]), Malformed),
        case("Keep-Alive", with(GET, &[("keep-alive", "1")]), Malformed),
        case("Proxy-Connection", with(GET, &[("proxy-connection", "close")]), Malformed),
        case("Upgrade", with(GET, &[("upgrade", "tcp")]), Malformed),
        case("TE that is not trailers", with(GET, &[("te", "gzip")]), Malformed),
        case("a line break in a value", with(GET, &[("x", "a\r\ny: b")]), Malformed),
        case("a NUL in a value", with(GET, &[("x", "a\0b")]), Malformed),
        case("a blank in a name", with(GET, &[("x y", "a")]), Malformed),
        case("a colon in a name", with(GET, &[("x:y", "a")]), Malformed),
        case("a body shorter than its length", body("5", b"abc"), Malformed),
        case("a body longer than its length", body("2", b"abc"), Malformed),
        case("a length without a body", with(POST, &[("content-length", "3")]), Malformed),
    ]
}

/// Headers that do not unpack (RFC 7541 §2.3.3, §4.2, §5.2).
pub(super) fn compression() -> Vec<Case> {
    let bare = |head: &[u8]| frame(HEADERS, WHOLE, 1, head);
    let ends: &'static [u8] = &[9, 1];
    vec![
        case("an index of 0", bare(&[GET, b"\x80"].concat()), ConnectionError(ends)),
        case("an index beyond the table", bare(&[GET, b"\xff\x7f"].concat()), ConnectionError(ends)),
        case("a name beyond the table", bare(&[GET, b"\x7f\x7f\x01a"].concat()), ConnectionError(ends)),
        case(
            "a table larger than allowed",
            bare(&[b"\x3f\xe1\xff\x03", GET].concat()),
            ConnectionError(ends),
        ),
        case("a table resized behind a field", bare(&[GET, b"\x20"].concat()), ConnectionError(ends)),
        case(
            "Huffman's code with its end",
            bare(&[GET, b"\x00\x01x\x84\xff\xff\xff\xff"].concat()),
            ConnectionError(ends),
        ),
        case(
            "Huffman's code padded with zeros",
            bare(&[GET, b"\x00\x01x\x81\x18"].concat()),
            ConnectionError(ends),
        ),
        case(
            "an integer without end",
            bare(&[GET, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"].concat()),
            ConnectionError(ends),
        ),
        case(
            "a string longer than the header",
            bare(&[GET, b"\x00\x01x\x7ea"].concat()),
            ConnectionError(ends),
        ),
    ]
}

/// What is to be ignored (§4.1, §5.5, §6.5.2), or is just allowed.
pub(super) fn ignored() -> Vec<Case> {
    let setting = |id: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat());
    vec![
        case("a frame of an unknown kind", [frame(0xbe, 0xff, 0, b"odd"), get(1)].concat(), Served),
        case(
            "a frame of an unknown kind on a stream",
            [post(1), frame(0xbe, 0, 1, b""), frame(DATA, 1, 1, b"x")].concat(),
            Served,
        ),
        case("an unknown setting", [setting(0xfe, 1), get(1)].concat(), Served),
        case("flags that mean nothing", [frame(PING, 0xfe, 0, &[0; 8]), get(1)].concat(), Served),
        case("the reserved bit of a stream", frame(HEADERS, WHOLE, 0x8000_0001, GET), Served),
        case(
            "PRIORITY on an idle stream",
            [frame(PRIORITY, 0, 9, &[0, 0, 0, 1, 1]), get(11)].concat(),
            Served,
        ),
        case(
            "a header in pieces",
            [
                frame(HEADERS, END_STREAM, 1, &GET[..2]),
                frame(CONTINUATION, 0, 1, &GET[2..4]),
                frame(CONTINUATION, END_HEADERS, 1, &GET[4..]),
            ]
            .concat(),
            Served,
        ),
        case("padding", [post(1), frame(DATA, PADDED | END_STREAM, 1, b"\x03abc\0\0\0")].concat(), Served),
        case("TE: trailers", with(GET, &[("te", "trailers")]), Served),
        case(
            "an acknowledgement more than settings",
            [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 1, 0, b"")].concat(),
            Unharmed,
        ),
    ]
}
