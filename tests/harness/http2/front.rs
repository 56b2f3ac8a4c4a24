//! A front that speaks HTTP/2 by prior knowledge and asks a service over HTTP/1.1, on a connection of its own for each
//! stream. What the service sends is handed on as it comes; what is no reply becomes a reset of the stream.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::{Buf as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::read_body;
use crate::harness::ports::loopback;

/// What a reply of HTTP/2 must not have (RFC 9113 §8.2.2).
const OF_HTTP1: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Starts a front before a service; it lasts as long as the tests run.
pub(crate) fn before(service: SocketAddr) -> SocketAddr {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new().unwrap());
    let listener = std::net::TcpListener::bind(loopback(0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let front = listener.local_addr().unwrap();
    runtime.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream.set_nodelay(true));
            tokio::spawn(serve(stream, Places { front, service }));
        }
    });
    front
}

#[derive(Clone, Copy)]
struct Places {
    front: SocketAddr,
    service: SocketAddr,
}

async fn serve(stream: TcpStream, places: Places) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut reply = Reply { respond, body: None };
            if exchange(request, &mut reply, places).await.is_err() {
                reply.reset();
            }
        });
    }
}

async fn exchange(request: Request<RecvStream>, reply: &mut Reply, places: Places) -> io::Result<()> {
    let (parts, mut stream) = request.into_parts();
    let (body, _trailers, broken) = read_body(&mut stream).await;
    if broken.is_some() {
        return Ok(());
    }
    let mut stream = TcpStream::connect(places.service).await?;
    stream.write_all(&[&head_for(&parts, &body, places), &body[..]].concat()).await?;
    let mut service = Service { stream, unread: BytesMut::new() };
    let head = loop {
        let head = tokio::select! { head = service.head() => head?, () = reply.was_reset() => return Ok(()) };
        if !head.status().is_informational() {
            break head;
        }
        reply.respond.send_informational(without_hop(head)).map_err(io::Error::other)?;
    };
    let mut body = Body::of(&parts.method, &head)?;
    reply.begin(head, matches!(body, Body::Rest(0)))?;
    loop {
        let piece = tokio::select! { piece = body.piece(&mut service) => piece?, () = reply.was_reset() => return Ok(()) };
        match piece {
            Some(piece) => reply.send(piece, false)?,
            None => return reply.send(Bytes::new(), true),
        }
    }
}

/// The request in HTTP/1.1. A service that goes by its own name is asked by it.
fn head_for(parts: &request::Parts, body: &[u8], places: Places) -> Vec<u8> {
    let target = parts.uri.path_and_query().map_or("*", |target| target.as_str());
    let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
    let own = places.front.to_string();
    let host = if authority == own { places.service.to_string() } else { authority.to_owned() };
    let mut head = format!("{} {target} HTTP/1.1\r\nHost: {host}\r\n", parts.method).into_bytes();
    for (name, value) in &parts.headers {
        if name != HOST {
            head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    if !body.is_empty() && !parts.headers.contains_key(CONTENT_LENGTH) {
        head.extend(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    head.extend(b"\r\n");
    head
}

fn without_hop(mut head: Response<()>) -> Response<()> {
    for name in OF_HTTP1 {
        head.headers_mut().remove(name);
    }
    head
}

/// The stream of a client that awaits its reply.
struct Reply {
    respond: SendResponse<Bytes>,
    body: Option<SendStream<Bytes>>,
}

impl Reply {
    fn begin(&mut self, head: Response<()>, is_whole: bool) -> io::Result<()> {
        let stream = self.respond.send_response(without_hop(head), is_whole).map_err(io::Error::other)?;
        self.body = (!is_whole).then_some(stream);
        Ok(())
    }

    fn send(&mut self, piece: Bytes, is_last: bool) -> io::Result<()> {
        self.body.as_mut().map_or(Ok(()), |body| body.send_data(piece, is_last).map_err(io::Error::other))
    }

    fn reset(&mut self) {
        match &mut self.body {
            Some(body) => body.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    /// Waits until the client gives up.
    async fn was_reset(&mut self) {
        let _ = poll_fn(|context| match &mut self.body {
            Some(body) => body.poll_reset(context),
            None => self.respond.poll_reset(context),
        })
        .await;
    }
}

/// The connection to the service.
struct Service {
    stream: TcpStream,
    unread: BytesMut,
}

impl Service {
    /// Reads more. False at the end.
    async fn read(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.read().await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn head(&mut self) -> io::Result<Response<()>> {
        loop {
            if let Some((length, head)) = parsed(&self.unread)? {
                self.unread.advance(length);
                return Ok(head);
            }
            self.read_more().await?;
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.unread, b"\r\n") {
                let line = self.unread.split_to(end);
                self.unread.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.read_more().await?;
        }
    }

    /// Some bytes, but no more than this many.
    async fn up_to(&mut self, most: usize) -> io::Result<Bytes> {
        if self.unread.is_empty() {
            self.read_more().await?;
        }
        let length = most.min(self.unread.len());
        Ok(self.unread.split_to(length).freeze())
    }
}

/// A head and its length, if all of it is there.
fn parsed(bytes: &[u8]) -> io::Result<Option<(usize, Response<()>)>> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = parsed.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(io::Error::other)?;
    for field in parsed.headers {
        let name: HeaderName = field.name.parse().map_err(io::Error::other)?;
        head.headers_mut().append(name, HeaderValue::from_bytes(field.value).map_err(io::Error::other)?);
    }
    Ok(Some((length, head)))
}

/// What is left of a body.
enum Body {
    Rest(u64),
    Chunks { in_chunk: u64 },
    UntilClose,
}

impl Body {
    fn of(method: &http::Method, head: &Response<()>) -> io::Result<Self> {
        let fields: &HeaderMap = head.headers();
        let has_none = matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if method == http::Method::HEAD || has_none {
            return Ok(Self::Rest(0));
        }
        if fields.contains_key(TRANSFER_ENCODING) {
            return Ok(Self::Chunks { in_chunk: 0 });
        }
        let Some(length) = fields.get(CONTENT_LENGTH) else { return Ok(Self::UntilClose) };
        let length = length.to_str().map_err(io::Error::other)?;
        length.parse().map(Self::Rest).map_err(io::Error::other)
    }

    /// The next piece; none at the end.
    async fn piece(&mut self, service: &mut Service) -> io::Result<Option<Bytes>> {
        match self {
            Self::UntilClose => {
                if service.unread.is_empty() && !service.read().await? {
                    return Ok(None);
                }
                service.up_to(usize::MAX).await.map(Some)
            }
            Self::Rest(0) => Ok(None),
            Self::Rest(left) => {
                let piece = service.up_to(usize::try_from(*left).map_err(io::Error::other)?).await?;
                *left -= piece.len() as u64;
                Ok(Some(piece))
            }
            Self::Chunks { in_chunk } => {
                if *in_chunk == 0 {
                    let line = service.line().await?;
                    let size = line.split(';').next().unwrap_or_default().trim();
                    *in_chunk = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
                    if *in_chunk == 0 {
                        while !service.line().await?.is_empty() {}
                        return Ok(None);
                    }
                }
                let piece = service.up_to(usize::try_from(*in_chunk).map_err(io::Error::other)?).await?;
                *in_chunk -= piece.len() as u64;
                if *in_chunk == 0 && !service.line().await?.is_empty() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(Some(piece))
            }
        }
    }
}
