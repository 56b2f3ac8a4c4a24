//! An upstream that speaks HTTP/2 by prior knowledge, keeps its requests, and answers from a script.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::{Fields, field_list, field_map, read_body};
use crate::harness::ports::loopback;
use crate::harness::upstream::Recorded;
use crate::harness::wait::PATIENCE;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Http2Answer {
    interim: Vec<(u16, Fields)>,
    status: u16,
    fields: Fields,
    body: Vec<u8>,
    pause: Duration,
    trailers: Fields,
    reset: Option<(Reason, bool)>,
}

impl Http2Answer {
    /// A reply with this status and body.
    pub(crate) fn of(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self {
            interim: Vec::new(),
            status,
            fields: Vec::new(),
            body: body.as_ref().to_vec(),
            pause: Duration::ZERO,
            trailers: Vec::new(),
            reset: None,
        }
    }

    /// A reset instead of a reply.
    pub(crate) fn reset(reason: Reason) -> Self {
        Self { reset: Some((reason, false)), ..Self::of(200, "") }
    }

    /// A reset where the body would end.
    pub(crate) fn then_reset(self, reason: Reason) -> Self {
        Self { reset: Some((reason, true)), ..self }
    }

    /// With one more field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// After one more interim reply.
    pub(crate) fn after_interim(mut self, status: u16, fields: &[(&str, &str)]) -> Self {
        self.interim.push((status, owned(fields)));
        self
    }

    /// With these trailers.
    pub(crate) fn trailers(self, trailers: &[(&str, &str)]) -> Self {
        Self { trailers: owned(trailers), ..self }
    }

    /// So long between the body and what ends it.
    pub(crate) fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }
}

fn owned(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

type Script = Box<dyn Fn(&Recorded) -> Http2Answer + Send + Sync>;

struct Shared {
    script: Script,
    requests: Mutex<Vec<Recorded>>,
    connections: AtomicUsize,
    /// Whether the next connection is told to go away at its first request.
    goes_away: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the script and what came in")
    }
}

/// The upstream.
#[derive(Debug)]
pub(crate) struct Http2Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Http2Upstream {
    /// One that answers by what it is asked.
    pub(crate) fn answering(script: impl Fn(&Recorded) -> Http2Answer + Send + Sync + 'static) -> Self {
        Self::start(Box::new(script), false)
    }

    /// One whose first connection says GOAWAY to its first request, and has processed nothing.
    pub(crate) fn going_away_first(
        script: impl Fn(&Recorded) -> Http2Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(Box::new(script), true)
    }

    fn start(script: Script, goes_away: bool) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(async { TcpListener::bind(loopback(0)).await.unwrap() });
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script,
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            goes_away: AtomicBool::new(goes_away),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _runtime: runtime }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("h2c://{}", self.address)
    }

    /// The requests that came to their end so far; those that were reset before a reply too.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests so far, which are forgotten.
    pub(crate) fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Connections that were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            if shared.goes_away.swap(false, Ordering::SeqCst) {
                drop(go_away(stream).await);
            } else {
                serve(stream, number, shared).await;
            }
        });
    }
}

async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, number, Arc::clone(&shared)));
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: usize,
    shared: Arc<Shared>,
) {
    let (parts, mut stream) = request.into_parts();
    let (body, trailers, broken) = read_body(&mut stream).await;
    if broken.is_some() {
        return;
    }
    let target = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let (method, headers) = (parts.method.to_string(), field_list(&parts.headers));
    let recorded = Recorded { method, target, headers, head: Vec::new(), body, trailers, connection };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded.clone());
    // A script may wait at a gate.
    let answer = tokio::task::block_in_place(|| (shared.script)(&recorded));
    // A client that has gone gets nothing.
    drop(reply(&mut respond, answer).await);
}

async fn reply(respond: &mut SendResponse<Bytes>, answer: Http2Answer) -> Result<(), h2::Error> {
    if let Some((reason, false)) = answer.reset {
        respond.send_reset(reason);
        return Ok(());
    }
    for (status, fields) in &answer.interim {
        respond.send_informational(head(*status, fields))?;
    }
    let ends = answer.body.is_empty() && answer.trailers.is_empty() && answer.reset.is_none();
    let mut stream = respond.send_response(head(answer.status, &answer.fields), ends)?;
    if ends {
        return Ok(());
    }
    let goes_on = !answer.trailers.is_empty() || answer.reset.is_some() || answer.pause > Duration::ZERO;
    stream.send_data(Bytes::from(answer.body), !goes_on)?;
    if !goes_on {
        return Ok(());
    }
    tokio::time::sleep(answer.pause).await;
    match answer.reset {
        // What was sent before is to arrive before.
        Some((reason, _)) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.send_reset(reason);
            Ok(())
        }
        None if answer.trailers.is_empty() => stream.send_data(Bytes::new(), true),
        None => stream.send_trailers(field_map(&answer.trailers)),
    }
}

fn head(status: u16, fields: &Fields) -> Response<()> {
    let mut response = Response::builder().status(status).body(()).unwrap();
    *response.headers_mut() = field_map(fields);
    response
}

/// Reads up to the first HEADERS frame; then says GOAWAY with the last stream 0, and closes.
async fn go_away(mut stream: TcpStream) -> std::io::Result<()> {
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
    let mut preface = [0; PREFACE];
    stream.read_exact(&mut preface).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            break;
        }
    }
    stream.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await?;
    stream.shutdown().await?;
    drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await);
    Ok(())
}
