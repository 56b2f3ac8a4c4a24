//! A client that speaks HTTP/2 by prior knowledge.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::socket::{Http2Socket, open};
use super::{Broken, Fields, field_list, field_map, read_body};
use crate::harness::wait::{PATIENCE, until_true};

/// How a request ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `END_STREAM` on the head if there is no body, else on the last frame with data.
    WithLastByte,
    /// An empty DATA frame with `END_STREAM`.
    EmptyData,
    /// Trailers.
    Trailers(Fields),
    /// Not at all, as long as the reply is awaited.
    Never,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    path: String,
    /// What the client calls the server; `None`: its address.
    authority: Option<String>,
    fields: Fields,
    pieces: Vec<Bytes>,
    ending: Ending,
}

impl Call {
    /// One without a body.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            authority: None,
            fields: Vec::new(),
            pieces: Vec::new(),
            ending: Ending::WithLastByte,
        }
    }

    /// To a server of this name.
    pub(crate) fn authority(self, name: &str) -> Self {
        Self { authority: Some(name.to_owned()), ..self }
    }

    /// With one more field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body in these pieces, each a DATA frame or more.
    pub(crate) fn pieces<'a>(mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.pieces = pieces.into_iter().map(Bytes::copy_from_slice).collect();
        self
    }

    /// With a body in one piece.
    pub(crate) fn body(self, body: &[u8]) -> Self {
        self.pieces([body])
    }

    /// Ending so.
    pub(crate) fn ending(self, ending: Ending) -> Self {
        Self { ending, ..self }
    }

    fn head(&self, to: SocketAddr) -> Request<()> {
        let authority = self.authority.clone().unwrap_or_else(|| to.to_string());
        let uri = format!("http://{authority}{}", self.path);
        let mut request = Request::builder().method(self.method.as_str()).uri(uri).body(()).unwrap();
        *request.headers_mut() = field_map(&self.fields);
        request
    }
}

/// A reply, or as much of it as came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Http2Reply {
    /// Interim replies, in order.
    pub(crate) interim: Vec<(u16, Fields)>,
    /// The status; 0 if none came.
    pub(crate) status: u16,
    /// Its fields.
    pub(crate) headers: Fields,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// What came behind the body.
    pub(crate) trailers: Fields,
    /// How it broke, if it did.
    pub(crate) broken: Option<Broken>,
}

impl Http2Reply {
    /// A field's value; the first, if it is there more than once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value_in(&self.headers, name)
    }

    /// A trailer's value.
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        value_in(&self.trailers, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn value_in<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// A connection of HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2Client {
    to: SocketAddr,
    sender: SendRequest<Bytes>,
    connection: JoinHandle<()>,
    // Last: its tasks are to end first.
    runtime: Runtime,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    task: JoinHandle<Http2Reply>,
    has_head: Arc<AtomicBool>,
    runtime: &'a Runtime,
}

impl Http2Client {
    /// Connects.
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::connect_with_window(to, 65_535)
    }

    /// Connects. All streams together may have so many unread bytes, and each one 64 KiB.
    pub(crate) fn connect_with_window(to: SocketAddr, window: u32) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut builder = h2::client::Builder::new();
            builder.initial_connection_window_size(window);
            let (sender, connection) = builder.handshake(stream).await.unwrap();
            (sender, tokio::spawn(async { drop(connection.await) }))
        });
        Self { to, sender, connection, runtime }
    }

    /// Sends a request and reads the reply.
    pub(crate) fn call(&self, call: &Call) -> Http2Reply {
        self.start(call).reply()
    }

    /// Begins to send a request.
    pub(crate) fn start(&self, call: &Call) -> UnderWay<'_> {
        let has_head = Arc::new(AtomicBool::new(false));
        let exchange = exchange(self.sender.clone(), call.head(self.to), call.clone(), Arc::clone(&has_head));
        UnderWay { task: self.runtime.spawn(exchange), has_head, runtime: &self.runtime }
    }

    /// Opens a stream with another protocol (RFC 8441), once the server has said that it may. The call's body leaves
    /// before the reply has come.
    pub(crate) fn open(&self, protocol: &str, call: &Call) -> Http2Socket<'_> {
        until_true("SETTINGS_ENABLE_CONNECT_PROTOCOL", || self.sender.is_extended_connect_protocol_enabled());
        let early = call.pieces.concat();
        let opened = open(self.sender.clone(), call.head(self.to), protocol, &early);
        let opened = self.runtime.block_on(async { timeout(PATIENCE, opened).await });
        Http2Socket::new(opened.unwrap().unwrap(), &self.runtime)
    }

    /// Whether the server has ended the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_finished()
    }
}

impl UnderWay<'_> {
    /// Its reply.
    pub(crate) fn reply(self) -> Http2Reply {
        self.reply_within(PATIENCE)
    }

    /// Its reply, or [`Broken::Silence`] after so long.
    pub(crate) fn reply_within(mut self, time: Duration) -> Http2Reply {
        let silence = Http2Reply { broken: Some(Broken::Silence), ..Http2Reply::default() };
        let reply = self.runtime.block_on(async { timeout(time, &mut self.task).await });
        reply.map_or(silence, Result::unwrap)
    }

    /// Whether the head of the reply has arrived.
    pub(crate) fn has_head(&self) -> bool {
        self.has_head.load(Ordering::Relaxed)
    }

    /// Whether the reply is complete, or broken.
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn exchange(
    sender: SendRequest<Bytes>,
    head: Request<()>,
    call: Call,
    has_head: Arc<AtomicBool>,
) -> Http2Reply {
    let mut reply = Http2Reply::default();
    if let Err(error) = fill(&mut reply, sender, head, call, &has_head).await {
        reply.broken = Some(Broken::of(&error));
    }
    reply
}

async fn fill(
    reply: &mut Http2Reply,
    sender: SendRequest<Bytes>,
    head: Request<()>,
    call: Call,
    has_head: &AtomicBool,
) -> Result<(), h2::Error> {
    let ends_with_head = call.pieces.is_empty() && call.ending == Ending::WithLastByte;
    let (mut answer, mut body) = sender.ready().await?.send_request(head, ends_with_head)?;
    if !ends_with_head {
        // The server may have answered and reset the stream; then the reply counts.
        drop(send_body(&mut body, call));
    }
    let answer = final_reply(&mut answer, reply).await?;
    let (parts, mut stream) = answer.into_parts();
    reply.status = parts.status.as_u16();
    reply.headers = field_list(&parts.headers);
    has_head.store(true, Ordering::Relaxed);
    (reply.body, reply.trailers, reply.broken) = read_body(&mut stream).await;
    Ok(())
}

fn send_body(stream: &mut h2::SendStream<Bytes>, call: Call) -> Result<(), h2::Error> {
    let last = call.pieces.len();
    for (number, piece) in (1..).zip(call.pieces) {
        stream.send_data(piece, number == last && call.ending == Ending::WithLastByte)?;
    }
    match call.ending {
        Ending::WithLastByte | Ending::Never => Ok(()),
        Ending::EmptyData => stream.send_data(Bytes::new(), true),
        Ending::Trailers(trailers) => stream.send_trailers(field_map(&trailers)),
    }
}

/// The final reply; those before it are kept.
async fn final_reply(
    answer: &mut ResponseFuture,
    reply: &mut Http2Reply,
) -> Result<http::Response<h2::RecvStream>, h2::Error> {
    poll_fn(|context| {
        while let Poll::Ready(Some(Ok(interim))) = answer.poll_informational(context) {
            reply.interim.push((interim.status().as_u16(), field_list(interim.headers())));
        }
        std::pin::Pin::new(&mut *answer).poll(context)
    })
    .await
}
