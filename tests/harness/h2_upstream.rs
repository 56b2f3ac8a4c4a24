//! An upstream that speaks HTTP/2 without TLS frame by frame, to do what servers of good manners do not: refuse
//! streams, go away in the middle, send as much as the windows take. Header blocks are not read.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::ports::loopback;

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of HPACK's static table.
const STATUS_200: &[u8] = &[0x88];

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    /// 200 and `ok`, once the request is complete.
    Ok,
    /// `RST_STREAM` with this reason, when the header has come.
    Reset(u32),
    /// 200 without an end, and then `RST_STREAM` with this reason.
    ResetAfterHead(u32),
    /// GOAWAY with this reason and a last stream below this one, and then the connection ends.
    GoAway(u32),
}

/// The upstream: by its number, over all connections, each request gets its answer.
#[derive(Debug)]
pub(crate) struct H2Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Vec<Answers>>,
    requests: AtomicUsize,
    connections: AtomicUsize,
}

impl H2Upstream {
    /// The first requests get the answers of the script, all others 200.
    pub(crate) fn start(script: &[Answers]) -> Self {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let address = listener.local_addr().unwrap();
        let script = Mutex::new(script.iter().rev().copied().collect());
        let shared =
            Arc::new(Shared { script, requests: AtomicUsize::new(0), connections: AtomicUsize::new(0) });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("h2c://{}", self.address)
    }

    /// Requests whose header came.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn next(&self) -> Answers {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.script.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or(Answers::Ok)
    }

    /// Until the client leaves, or the script says so.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut preface = [0; PREFACE];
        stream.read_exact(&mut preface).ok()?;
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).ok()?;
        loop {
            let (kind, flags, id, payload) = read_frame(&mut stream)?;
            let (opens, ends) = (kind == HEADERS, matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0);
            if kind == SETTINGS && flags & ACK == 0 {
                stream.write_all(&frame(SETTINGS, ACK, 0, &[])).ok()?;
            }
            if kind == PING && flags & ACK == 0 {
                stream.write_all(&frame(PING, ACK, 0, &payload)).ok()?;
            }
            match opens.then(|| self.next()) {
                Some(Answers::Reset(reason)) => {
                    stream.write_all(&frame(RST_STREAM, 0, id, &reason.to_be_bytes())).ok()?;
                    continue;
                }
                Some(Answers::ResetAfterHead(reason)) => {
                    stream.write_all(&frame(HEADERS, END_HEADERS, id, STATUS_200)).ok()?;
                    stream.write_all(&frame(RST_STREAM, 0, id, &reason.to_be_bytes())).ok()?;
                    continue;
                }
                Some(Answers::GoAway(reason)) => {
                    let payload = [(id - 1).saturating_sub(1).to_be_bytes(), reason.to_be_bytes()].concat();
                    stream.write_all(&frame(GOAWAY, 0, 0, &payload)).ok()?;
                    stream.shutdown(Shutdown::Write).ok()?;
                    // What is not read would make it a reset, which takes the GOAWAY along.
                    return std::io::copy(&mut stream, &mut std::io::sink()).ok().map(drop);
                }
                Some(Answers::Ok) | None => {}
            }
            if ends {
                stream.write_all(&frame(HEADERS, END_HEADERS, id, STATUS_200)).ok()?;
                stream.write_all(&frame(DATA, END_STREAM, id, b"ok")).ok()?;
            }
        }
    }
}

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn read_frame(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}
