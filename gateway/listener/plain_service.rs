//! A small HTTP/1.1 service: complete request in, complete response out. The admin listener and the demonstration's
//! legacy API run on it.
//!
//! It reads bodies up to a limit (413 above it), answers `HEAD` without a body, and keeps connections alive. It runs in
//! the current tokio runtime, without pingora's server and its signal handling.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pingora::ErrorType;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::services::Service as _;
use pingora::services::listening::Service;

use crate::config::ListenAddress;
use crate::telemetry::only_words;

use super::bind::BoundSockets;
use super::inherited::Inherited;

/// Bytes of a request's body that are accepted, unless [`PlainService::max_body`] sets another limit.
const MAX_BODY: usize = 1 << 20;
/// An idle connection is closed after this many seconds.
const IDLE_SECONDS: u64 = 60;
/// Waiting for a request and reading its complete header takes at most this long.
const HEADER_TIMEOUT: Duration = Duration::from_secs(IDLE_SECONDS + 15);
/// One read of a request's body, and one write of a response, take at most this long.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// After a 413 the rest of the body is read for this long, so that the client sees the 413 and not a reset connection
/// (RFC 9112 §9.6).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers complete requests. One value serves all connections.
pub(crate) trait PlainHandler: Send + Sync + 'static {
    /// The response to one request. Its `Content-Length` and `Connection` are set by the service.
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;
}

/// Who sent a request. A request has it in its extensions, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client at this address.
    Tcp(IpAddr),
    /// A process of this machine, over a Unix socket.
    Unix,
}

impl Peer {
    fn of(session: &ServerSession) -> Option<Self> {
        let address = session.client_addr()?;
        Some(address.as_inet().map_or(Self::Unix, |address| Self::Tcp(address.ip())))
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(self) -> bool {
        match self {
            Self::Tcp(address) => address.to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }
}

/// A handler with its sockets, which are bound but not served yet.
pub(crate) struct PlainService<H> {
    name: &'static str,
    handler: H,
    max_body: usize,
    sockets: BoundSockets,
}

impl<H: PlainHandler> PlainService<H> {
    /// A service without sockets. `name` is for log lines.
    pub(crate) fn new(name: &'static str, handler: H) -> Self {
        Self { name, handler, max_body: MAX_BODY, sockets: BoundSockets::default() }
    }

    /// Sets how many bytes of a request's body are accepted. The default is 1 MiB.
    #[cfg(test)]
    pub(crate) fn max_body(self, bytes: usize) -> Self {
        Self { max_body: bytes, ..self }
    }

    /// Binds a TCP address and returns it, with the port that the system has chosen for port 0. Clients can connect
    /// from here on; they are answered once [`Self::serve`] runs.
    ///
    /// # Errors
    /// The address is taken, or does not belong to this host. The message names it.
    pub(crate) fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.sockets.bind(address)
    }

    /// Binds a Unix socket. Replaces the socket file of a dead process.
    ///
    /// # Errors
    /// The socket can't be created. The message names the path.
    #[cfg(test)]
    pub(crate) fn listen_unix(&mut self, path: &std::path::Path) -> io::Result<()> {
        self.sockets.bind_unix(path)
    }

    /// Takes the inherited socket of an address, or binds one.
    pub(crate) fn listen_on(&mut self, address: &ListenAddress, inherited: &mut Inherited) -> io::Result<()> {
        self.sockets.listen_on(address, inherited)
    }

    /// Duplicates of the sockets, for a successor.
    pub(crate) fn duplicate_sockets(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.duplicates()
    }

    /// Serves until `shutdown` turns true or its sender is dropped. Then it stops accepting; answers in progress go on
    /// as tasks of the runtime.
    pub(crate) async fn serve(self, shutdown: ShutdownWatch) {
        let app = PlainApp { handler: self.handler, max_body: self.max_body };
        let mut service = Service::new(self.name.to_owned(), app);
        let sockets = self.sockets.give_to(service.endpoints());
        service.start_service(Some(sockets), shutdown, 1).await;
    }
}

struct PlainApp<H> {
    handler: H,
    max_body: usize,
}

#[async_trait]
impl<H: PlainHandler> HttpServerApp for PlainApp<H> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        session.set_read_timeout(Some(PROGRESS_TIMEOUT));
        session.set_write_timeout(Some(PROGRESS_TIMEOUT));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        match tokio::time::timeout(HEADER_TIMEOUT, session.read_request()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return None,
            Ok(Err(error)) => {
                if *error.etype() == ErrorType::InvalidHTTPHeader {
                    refuse(&mut session, StatusCode::BAD_REQUEST).await;
                }
                return None;
            }
        }
        keep_alive(&mut session, shutdown);
        match self.exchange(&mut session).await {
            Ok(()) => reusable(session).await,
            Err(error) => {
                tracing::debug!(kind = "plain", error = only_words(&error.to_string()), "an exchange failed");
                None
            }
        }
    }
}

impl<H: PlainHandler> PlainApp<H> {
    async fn exchange(&self, session: &mut ServerSession) -> pingora::Result<()> {
        let mut head = session.req_header().as_owned_parts();
        if let Some(peer) = Peer::of(session) {
            head.extensions.insert(peer);
        }
        if head.headers.contains_key(EXPECT) && !session.is_body_done() {
            session.write_continue_response().await?;
        }
        let Some(body) = read_body(session, self.max_body).await? else {
            refuse(session, StatusCode::PAYLOAD_TOO_LARGE).await;
            return session.drain_request_body().await;
        };
        let reply_body = if head.method == Method::HEAD { ReplyBody::Omit } else { ReplyBody::Send };
        let response = self.handler.answer(Request::from_parts(head, body)).await;
        write(session, response, reply_body).await
    }
}

/// Keeps the connection alive if the client wants that and the service goes on.
fn keep_alive(session: &mut ServerSession, shutdown: &ShutdownWatch) {
    let wanted = session.get_keepalive().is_some() && !*shutdown.borrow();
    session.set_keepalive(wanted.then_some(IDLE_SECONDS));
}

/// The complete body, or `None` if it is larger than `limit` bytes.
async fn read_body(session: &mut ServerSession, limit: usize) -> pingora::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_request_body().await? {
        if body.len() + piece.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}

async fn refuse(session: &mut ServerSession, status: StatusCode) {
    session.set_keepalive(None);
    let text = format!("{status}\n");
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Err(error) = write(session, response, ReplyBody::Send).await {
        let error = only_words(&error.to_string());
        tracing::debug!(kind = "plain", status = status.as_u16(), error, "a refusal could not be written");
    }
}

/// Whether a reply's body is sent, or only its length announced (HEAD).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyBody {
    Send,
    Omit,
}

async fn write(
    session: &mut ServerSession,
    response: Response<Bytes>,
    reply_body: ReplyBody,
) -> pingora::Result<()> {
    let (mut head, body) = response.into_parts();
    // RFC 9110 §8.6: no Content-Length in a 204; in a 304 it would describe another response.
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        head.headers.remove(CONTENT_LENGTH);
    } else {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    session.write_response_header(Box::new(ResponseHeader::from(head))).await?;
    let body = match reply_body {
        ReplyBody::Send => body,
        ReplyBody::Omit => Bytes::new(),
    };
    session.write_response_body(body, true).await
}

async fn reusable(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    match session.finish().await {
        Ok(stream) => stream.map(|stream| ReusedHttpStream::from_reusable_stream(stream, settings)),
        Err(error) => {
            tracing::debug!(
                kind = "plain",
                error = only_words(&error.to_string()),
                "could not keep a connection alive"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_client::{HttpClient, Server};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::watch;

    struct Mirror;

    impl PlainHandler for Mirror {
        async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
            let status = match request.uri().path() {
                "/empty" => StatusCode::NO_CONTENT,
                _ => StatusCode::OK,
            };
            let text = format!("{} {} {}", request.method(), request.uri(), request.body().len());
            let body = if status == StatusCode::OK { Bytes::from(text) } else { Bytes::new() };
            Response::builder().status(status).body(body).unwrap()
        }
    }

    /// A mirror that takes bodies up to 8 bytes. It serves for as long as the sender is held.
    fn start_mirror() -> (SocketAddr, watch::Sender<bool>) {
        let mut service = PlainService::new("mirror", Mirror).max_body(8);
        let address = service.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(service.serve(stopped));
        (address, stop)
    }

    async fn talk(sent: &str) -> String {
        let (address, _stop) = start_mirror();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        String::from_utf8(received).unwrap()
    }

    #[tokio::test]
    async fn the_client_and_the_service_understand_each_other() {
        let (address, _stop) = start_mirror();
        let request = Request::post("/a?b").body(Bytes::from_static(b"12345678")).unwrap();
        let response = HttpClient::default().send(&Server::from(address), request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), "POST /a?b 8");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_413() {
        let (address, _stop) = start_mirror();
        let request = Request::post("/").body(Bytes::from_static(b"123456789")).unwrap();
        let response = HttpClient::default().send(&Server::from(address), request).await.unwrap();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_chunked_body_is_counted_too() {
        let said = talk(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
        );
        let said = said.await;
        assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
        assert!(said.contains("\r\nConnection: close\r\n"), "{said}");
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_closed_when_asked() {
        let (address, _stop) = start_mirror();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut first = vec![0; 4096];
        let length = stream.read(&mut first).await.unwrap();
        let first = String::from_utf8_lossy(&first[..length]).into_owned();
        assert!(first.contains("\r\nConnection: keep-alive\r\n"), "{first}");
        stream.write_all(b"GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut second = String::new();
        stream.read_to_string(&mut second).await.unwrap();
        assert!(second.ends_with("\r\n\r\nGET /2 0"), "{second}");
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let said = talk("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(said.contains("\r\nContent-Length: 8\r\n"), "{said}");
        assert!(said.ends_with("\r\n\r\n"), "{said}");
    }

    #[tokio::test]
    async fn a_204_has_no_length() {
        let said = talk("GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(said.starts_with("HTTP/1.1 204 "), "{said}");
        assert!(!said.to_lowercase().contains("content-length"), "{said}");
    }

    #[tokio::test]
    async fn expect_is_answered_before_the_body() {
        let (address, _stop) = start_mirror();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut said = vec![0; 64];
        let length = stream.read(&mut said).await.unwrap();
        assert_eq!(&said[..length], b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[tokio::test]
    async fn a_request_that_is_not_http_is_400() {
        let said = talk("no http\r\n\r\n").await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    }

    #[tokio::test]
    async fn a_unix_socket_is_served_until_shutdown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mirror");
        let mut service = PlainService::new("mirror", Mirror);
        service.listen_unix(&path).unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(service.serve(stopped));
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /u HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("GET /u 0"), "{said}");
        stop.send(true).unwrap();
        serving.await.unwrap();
    }
}
