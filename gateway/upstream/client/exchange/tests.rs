//! Our two readers, the one for items and the one for single requests, are held against each other and against pingora's, whose
//! replies pass a checker first: the same reply or the same failure, whatever comes and however it is cut.

mod checked;

use futures_util::FutureExt as _;
use http::StatusCode;
use pingora::protocols::http::v1::client::HttpSession as Http1;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt as _, duplex};

use super::*;
use crate::clock::Stopwatch;
use crate::dispatch::{Progress, ReplyBudget};
use crate::limiter::Client;
use crate::memory::MemoryBudget;
use crate::transport::field_names;
use crate::upstream::client::streamed::StreamedReply;
use crate::upstream::error;
use checked::CheckedStream;

/// What a client makes of the bytes on a connection.
#[derive(Debug, PartialEq)]
struct Seen {
    answer: Result<UpstreamReply, CallFailure>,
    is_reusable: bool,
}

fn failed(failure: CallFailure) -> Seen {
    Seen { answer: Err(failure), is_reusable: false }
}

/// An upstream that sends these bytes, and closes where they end, or not.
fn connection(bytes: &[u8], size: usize, closes: bool) -> (Stream, impl Future<Output = ()>) {
    let (near, mut far) = duplex(1 << 20);
    let pieces: Vec<Vec<u8>> = bytes.chunks(size.max(1)).map(<[u8]>::to_vec).collect();
    let serving = async move {
        for piece in pieces {
            let _ = far.write_all(&piece).await;
            tokio::task::yield_now().await;
        }
        if closes {
            let _ = far.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    (Box::new(near), serving)
}

/// `None`: it waits for more.
fn run<T>(serving: impl Future<Output = ()>, reading: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (serving, reading) = (serving.fuse(), reading.fuse());
        futures_util::pin_mut!(serving, reading);
        // More often than the upstream has pieces.
        for _ in 0..5_000 {
            tokio::select! {
                biased;
                read = &mut reading => return Some(read),
                () = &mut serving => {}
                () = std::future::ready(()) => {}
            }
            tokio::task::yield_now().await;
        }
        None
    })
}

fn ours(method: &Method, bytes: &[u8], size: usize, closes: bool) -> Option<Seen> {
    let (mut stream, serving) = connection(bytes, size, closes);
    let memory = MemoryBudget::new(64 << 20);
    let reservation = MemoryReservation::new(&memory, Client::default());
    let (progress, budget) = (Progress::new(Stopwatch::start()), ReplyBudget::new(32 << 20, 32 << 20));
    let deadline = Stopwatch::start().deadline(std::time::Duration::from_secs(600));
    let attempt = Attempt { progress: &progress, budget: &budget, deadline };
    let request = Request { method, head: b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", body: b"" };
    let reading = exchange(&mut stream, BytesMut::new(), request, attempt, &reservation);
    Some(match run(serving, reading)? {
        Ok((exchanged, left)) => {
            Seen { is_reusable: exchanged.is_reusable(&left), answer: Ok(exchanged.reply) }
        }
        Err(unanswered) => failed(unanswered.failure),
    })
}

fn framework(method: &Method, bytes: &[u8], size: usize, closes: bool) -> Option<Seen> {
    let (stream, serving) = connection(bytes, size, closes);
    let stream = CheckedStream::around(stream);
    CheckedStream::expect_reply(&stream, method);
    run(serving, async {
        let mut session = Http1::new(stream);
        let mut head = pingora::http::RequestHeader::build(method.clone(), b"/", None).unwrap();
        head.insert_header("Host", "a").unwrap();
        session.write_request_header(Box::new(head)).await.unwrap();
        let reply = loop {
            match session.read_response().await {
                Err(failure) => return failed(error::of_exchange(&failure)),
                Ok(_) if session.get_status() == Some(StatusCode::SWITCHING_PROTOCOLS) => {
                    return failed(CallFailure::ReplyMalformed);
                }
                Ok(_) => {}
            }
            let head = session.resp_header().unwrap();
            if !crate::header::hop::is_interim(head.status) {
                break UpstreamReply {
                    status: head.status,
                    headers: head.headers.clone(),
                    spellings: field_names::of_reply(head),
                    body: Bytes::new(),
                };
            }
        };
        let mut body = BytesMut::new();
        while !session.is_body_done() {
            match session.read_body_bytes().await {
                Err(failure) => return failed(error::of_exchange(&failure)),
                Ok(None) => break,
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            }
        }
        session.respect_keepalive();
        let kept = session.reuse().await.filter(CheckedStream::is_usable);
        Seen { answer: Ok(UpstreamReply { body: body.freeze(), ..reply }), is_reusable: kept.is_some() }
    })
}

/// The reader for single requests.
fn streamed(method: &Method, bytes: &[u8], size: usize, closes: bool) -> Option<Seen> {
    let (stream, serving) = connection(bytes, size, closes);
    run(serving, async {
        let mut reading = StreamedReply::new(stream, method.clone());
        let head = loop {
            match reading.head().await {
                Err(failure) => return failed(error::of_exchange(&failure)),
                Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    return failed(CallFailure::ReplyMalformed);
                }
                Ok(head) if crate::header::hop::is_interim(head.status) => {}
                Ok(head) => break head,
            }
        };
        let mut body = BytesMut::new();
        loop {
            match reading.body().await {
                Err(failure) => return failed(error::of_exchange(&failure)),
                Ok(None) => break,
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            }
        }
        let reply = UpstreamReply {
            status: head.status,
            headers: head.headers.clone(),
            spellings: field_names::of_reply(&head),
            body: body.freeze(),
        };
        Seen { answer: Ok(reply), is_reusable: reading.into_reusable().is_some() }
    })
}

/// Replies of all kinds that servers write, and of some that they must not.
const REPLIES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: close\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-hop, Close\r\n\r\nok",
    "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
    "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil the end",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\no\r\n1  \r\nk\r\n0\r\nX-T: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\n\ttwice\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n \r\n\r\nok",
    "HTTP/1.1 200 OK\r\n X-A: 1\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nx-odd-Name: \u{e9} \r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX\u{0}A: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-A: \u{1}\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "H",
    "",
];

fn same(method: &Method, bytes: &[u8], size: usize, closes: bool) {
    let (ours, theirs) = (ours(method, bytes, size, closes), framework(method, bytes, size, closes));
    assert_eq!(ours, theirs, "{method} {size} {closes} {}", bytes.escape_ascii());
    let streamed = streamed(method, bytes, size, closes);
    assert_eq!(streamed, theirs, "streamed: {method} {size} {closes} {}", bytes.escape_ascii());
}

#[test]
fn both_clients_read_the_same() {
    for reply in REPLIES {
        for method in [Method::GET, Method::HEAD] {
            for size in [1, 7, usize::MAX] {
                same(&method, reply.as_bytes(), size, true);
                same(&method, reply.as_bytes(), size, false);
            }
        }
    }
}

#[test]
fn large_bodies_and_heads_are_read() {
    let body = "x".repeat(300_000);
    let heads = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
        format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: {}\r\n\r\n", &body[..60_000]),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "X-A: 1\r\n".repeat(255)),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "X-A: 1\r\n".repeat(256)),
    ];
    for head in heads {
        for size in [9_000, usize::MAX] {
            same(&Method::GET, head.as_bytes(), size, true);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn both_clients_read_the_same_of_changed_replies(
        reply in prop::sample::select(REPLIES.to_vec()),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(b"\r\n\0 \t:;,0a\x7f\xff".to_vec()), 0..3_u8), 1..3),
        size in prop_oneof![Just(usize::MAX), 1_usize..40],
    ) {
        let mut bytes = reply.as_bytes().to_vec();
        for (index, byte, kind) in changes {
            let index = index.index(bytes.len().max(1));
            match kind {
                0 => bytes.insert(index.min(bytes.len()), byte),
                1 if index < bytes.len() => bytes[index] = byte,
                _ if index < bytes.len() => drop(bytes.remove(index)),
                _ => {}
            }
        }
        // They may differ in when they notice that a head is malformed, and pingora does not read all lists in Connection.
        let reply = |seen: Option<Seen>| seen.map(|seen| seen.answer.ok());
        let ours = reply(ours(&Method::GET, &bytes, size, true));
        prop_assert_eq!(&ours, &reply(streamed(&Method::GET, &bytes, size, true)), "streamed: {}", bytes.escape_ascii());
        prop_assert_eq!(ours, reply(framework(&Method::GET, &bytes, size, true)), "{}", bytes.escape_ascii());
    }
}
