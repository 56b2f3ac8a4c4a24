//! What the upstream does, by the names in `table.txt`.

use std::time::Duration;

use crate::harness::Answer;

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
const TEN: &str = "0123456789";

/// The answer with this name.
///
/// # Panics
/// When there is none.
pub(super) fn named(name: &str) -> Answer {
    let found = ending(name)
        .or_else(|| slow(name))
        .or_else(|| without_measure(name))
        .or_else(|| framing(name))
        .or_else(|| head(name))
        .or_else(|| unasked(name))
        .or_else(|| coding(name));
    found.unwrap_or_else(|| panic!("faults/answers.rs has no answer with the name {name}"))
}

/// Connections that end too early.
fn ending(name: &str) -> Option<Answer> {
    let whole = Answer::text(200, TEN);
    let chunk = format!("{CHUNKED}a\r\n01234");
    Some(match name {
        "closes-without-a-word" | "closes-without-a-word-to-get" => Answer::close(),
        "resets-without-a-word" | "resets-without-a-word-to-get" => Answer::reset(),
        "closes-within-the-head" => whole.cut_after(30),
        "resets-within-the-head" => Answer::raw(format!("{HEAD}Content-")).then_reset(),
        "closes-within-the-body" => whole.claiming(20),
        "resets-within-the-body" => whole.claiming(20).then_reset(),
        "closes-within-a-chunk" => Answer::raw(chunk),
        "resets-within-a-chunk" => Answer::raw(chunk).then_reset(),
        "closes-before-the-last-chunk" => Answer::raw(format!("{CHUNKED}a\r\n{TEN}\r\n")),
        "says-close-and-stays" => {
            Answer::raw_kept(format!("{HEAD}Connection: close\r\nContent-Length: 10\r\n\r\n{TEN}"))
        }
        "ends-with-the-connection" => whole.until_close(),
        "resets-without-a-length" => whole.until_close().then_reset(),
        "http-1.0" => whole.http10(),
        _ => return None,
    })
}

/// Answers that take their time. A hasty upstream has 500 ms for an item.
fn slow(name: &str) -> Option<Answer> {
    let (whole, pause) = (Answer::text(200, TEN), Duration::from_millis(50));
    Some(match name {
        "never-answers" => Answer::hang(),
        "hangs-within-the-head" => Answer::raw(format!("{HEAD}Content-")).then_hang(),
        "hangs-within-the-body" => whole.claiming(20).then_hang(),
        "drips-in-time" => whole.dripping(16, Duration::from_millis(1)),
        "drips-its-head-too-slowly" => whole.header("X", &"x".repeat(40)).dripping(4, pause),
        "drips-its-body-too-slowly" => {
            let head = format!("{HEAD}Content-Length: 1000\r\n\r\n");
            Answer::raw(head + &"x".repeat(1000)).dripping(45, pause)
        }
        _ => return None,
    })
}

/// Answers that never end, or are larger than anything has to be. An item's reply may have 64 KiB.
fn without_measure(name: &str) -> Option<Answer> {
    let interim =
        |count| format!("{}{HEAD}Content-Length: 2\r\n\r\nok", "HTTP/1.1 103 Early\r\n\r\n".repeat(count));
    Some(match name {
        "32-interim-replies" => Answer::raw_kept(interim(32)),
        "33-interim-replies" => Answer::raw_kept(interim(33)),
        "10000-interim-replies" => Answer::raw_kept(interim(10_000)),
        "3-mib-of-head" => Answer::text(200, TEN).header("X-Giant", &"g".repeat(3 << 20)),
        "10000-fields" => {
            Answer::raw_kept(format!("{HEAD}{}Content-Length: 2\r\n\r\nok", "X: 1\r\n".repeat(10_000)))
        }
        "a-head-without-end" => Answer::raw(format!("{HEAD}X: x")).without_end(),
        "a-status-line-without-end" => Answer::raw("HTTP/1.1 200 O").without_end(),
        "a-body-without-end" => Answer::raw(format!("{HEAD}\r\nx")).without_end(),
        "a-long-body-of-known-length" => Answer::text(200, "x").claiming(1 << 40).without_end(),
        "a-chunk-size-without-end" => Answer::raw(format!("{CHUNKED}1")).without_end(),
        "a-chunk-extension-without-end" => Answer::raw(format!("{CHUNKED}5;x")).without_end(),
        "a-chunk-without-end" => Answer::raw(format!("{CHUNKED}ffffffffff\r\nx")).without_end(),
        "a-trailer-without-end" => Answer::raw(format!("{CHUNKED}0\r\nX: x")).without_end(),
        _ => return None,
    })
}

/// Lies about where the body ends.
fn framing(name: &str) -> Option<Answer> {
    let with = |fields: &str, body: &str| Some(Answer::raw_kept(format!("{HEAD}{fields}\r\n\r\n{body}")));
    let chunks = |body: &str| Some(Answer::raw_kept(format!("{CHUNKED}{body}")));
    match name {
        "claims-too-little" => with("Content-Length: 3", TEN),
        "two-replies" => with("Content-Length: 3", &format!("one{FORGED}")),
        "length-and-chunks" => {
            with("Content-Length: 3\r\nTransfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n")
        }
        "two-lengths" => with("Content-Length: 3\r\nContent-Length: 5", "three"),
        "two-lengths-in-a-field" => with("Content-Length: 3, 5", "three"),
        "one-length-twice" => with("Content-Length: 2\r\nContent-Length: 2", "ok"),
        "a-negative-length" => with("Content-Length: -1", "ok"),
        "a-length-with-a-plus" => with("Content-Length: +2", "ok"),
        "a-length-in-hex" => with("Content-Length: 0x2", "ok"),
        "a-length-beyond-64-bits" => with("Content-Length: 99999999999999999999", "ok"),
        "chunked-twice" => with("Transfer-Encoding: chunked, chunked", "2\r\nok\r\n0\r\n\r\n"),
        "gzip-then-chunked" => with("Transfer-Encoding: gzip, chunked", "2\r\nok\r\n0\r\n\r\n"),
        "chunked-then-gzip" => with("Transfer-Encoding: chunked, gzip", "2\r\nok\r\n0\r\n\r\n"),
        "a-coding-nobody-knows" => with("Transfer-Encoding: x-own", "ok"),
        "a-chunk-size-that-is-none" => chunks("zz\r\nok\r\n0\r\n\r\n"),
        "a-negative-chunk" => chunks("-2\r\nok\r\n0\r\n\r\n"),
        "a-chunk-size-with-0x" => chunks("0x2\r\nok\r\n0\r\n\r\n"),
        "a-chunk-beyond-64-bits" => chunks("fffffffffffffffff\r\nok\r\n0\r\n\r\n"),
        "a-chunk-longer-than-its-size" => chunks("2\r\nokay\r\n0\r\n\r\n"),
        "trailers-that-lie" => chunks("2\r\nok\r\n0\r\nContent-Length: 500\r\nX-Forged: 1\r\n\r\n"),
        "chunks-and-a-second-reply" => chunks(&format!("2\r\nok\r\n0\r\n\r\n{FORGED}")),
        _ => None,
    }
}

/// Heads that are none.
fn head(name: &str) -> Option<Answer> {
    let status = |line: &str| Some(Answer::raw_kept(format!("{line}\r\nContent-Length: 2\r\n\r\nok")));
    let field = |field: &str| Some(Answer::raw_kept(format!("{HEAD}{field}\r\nContent-Length: 2\r\n\r\nok")));
    match name {
        "ssh" => Some(Answer::raw("SSH-2.0-OpenSSH_9.2p1\r\n\r\n")),
        "tls" => Some(Answer::raw([21, 3, 1, 0, 2, 2, 40])),
        "http-0.9" => Some(Answer::raw("<html>It works!</html>")),
        "http-2" => Some(Answer::raw(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64")),
        "bytes" => Some(Answer::raw((0..=255).collect::<Vec<u8>>())),
        "no-reason" => status("HTTP/1.1 200"),
        "status-000" => status("HTTP/1.1 000 None"),
        "status-099" => status("HTTP/1.1 099 Low"),
        "status-20" => status("HTTP/1.1 20 Short"),
        "status-1000" => status("HTTP/1.1 1000 Long"),
        "status-999" => status("HTTP/1.1 999 Own"),
        "status-in-words" => status("HTTP/1.1 OK Fine"),
        "version-2.0" => status("HTTP/2.0 200 OK"),
        "line-feeds-only" => Some(Answer::raw_kept("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")),
        "nul-in-a-value" => field("X: a\0b"),
        "carriage-return-in-a-value" => field("X: a\rInjected: b"),
        "a-folded-field" => field("X: a\r\n b"),
        "blank-before-the-colon" => field("X : a"),
        "a-field-without-a-name" => field(": a"),
        "a-field-without-a-colon" => field("nonsense"),
        _ => None,
    }
}

/// Bodies and replies that the request can't have.
fn unasked(name: &str) -> Option<Answer> {
    let status =
        |line: &str| Some(Answer::raw_kept(format!("HTTP/1.1 {line}\r\nContent-Length: 6\r\n\r\nforged")));
    match name {
        "head-with-a-body" => status("200 OK"),
        "head-with-a-reply-for-a-body" => {
            Some(Answer::raw_kept(format!("{HEAD}Content-Length: {}\r\n\r\n{FORGED}", FORGED.len())))
        }
        "204-with-a-body" => status("204 No Content"),
        "204-and-a-second-reply" => {
            Some(Answer::raw_kept(format!("HTTP/1.1 204 No Content\r\n\r\n{FORGED}")))
        }
        "304-with-a-body" => status("304 Not Modified"),
        "205-with-a-body" => status("205 Reset Content"),
        "101-unasked" => {
            Some(Answer::raw_kept(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n{FORGED}")))
        }
        "100-and-nothing-more" => Some(Answer::raw("HTTP/1.1 100 Continue\r\n\r\n")),
        _ => None,
    }
}

/// Content codings that don't hold what they say.
fn coding(name: &str) -> Option<Answer> {
    let gzip = |body: Vec<u8>| Some(Answer::of(200, "text/plain", body).header("Content-Encoding", "gzip"));
    match name {
        "gzip-that-is-none" => gzip(TEN.into()),
        "gzip-bomb" => gzip(gzipped(&vec![0; 32 << 20])),
        "gzip-truncated" => gzip(gzipped(TEN.as_bytes())[..12].to_vec()),
        _ => None,
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
