//! A client for those who send a few requests of their own: the demonstration, `health`, `send`, the exporter of traces, the
//! fetcher of issuers' keys, and the console on the admin listener. Calls of the gateway never use it.
//!
//! In: a [`Server`] and a complete request. Out: a complete reply, bounded in time and size. Every request has a connection of
//! its own, so that no reply is lost because an idle connection had gone. HTTP itself is the hyper crate's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::tls_advice::advice;

/// Where requests are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// A host or an IP address with its port, as in a url.
    Tcp(String),
    /// The same with TLS, and the name for which the server's certificate has to be.
    Tls {
        /// The host or IP address with its port.
        address: String,
        /// The name.
        name: ServerName<'static>,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// The limits of a client.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    /// How long a request and its reply may take together.
    pub(crate) timeout: Duration,
    /// Bytes of a reply's body.
    pub(crate) max_reply: usize,
    /// For servers that speak TLS; see [`tls_config`].
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), max_reply: 64 << 20, tls: None }
    }
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection could be made, so nothing was sent.
    #[error("no connection to {server}: {reason}")]
    NotConnected {
        /// The server that was called.
        server: Server,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The connection broke, or the reply is not HTTP.
    #[error("no reply from {server}: {reason}")]
    NoReply {
        /// The server that was called.
        server: Server,
        /// What is wrong with the connection or the reply.
        reason: String,
    },
    /// The exchange took too long.
    #[error("no reply from {server} within {} s", timeout.as_secs())]
    TimedOut {
        /// The server that was called.
        server: Server,
        /// The limit.
        timeout: Duration,
    },
    /// The body of the reply is too large.
    #[error("the reply from {server} is larger than {max_reply} bytes")]
    TooLarge {
        /// The server that was called.
        server: Server,
        /// The limit.
        max_reply: usize,
    },
}

impl HttpClient {
    /// A client for the server of a url, and the server. `ca`: the file with the authorities that it trusts; without one, the
    /// system's.
    ///
    /// # Errors
    /// Says why there is none.
    pub(crate) fn for_url(url: &Uri, ca: Option<&Path>) -> Result<(Self, Server), String> {
        let server = Server::from_url(url).ok_or("its host can't be in a certificate")?;
        let tls = match &server {
            Server::Tls { .. } => Some(tls_config(ca).map_err(|error| format!("no authorities: {error}"))?),
            Server::Tcp(_) | Server::Unix(_) => None,
        };
        Ok((Self { tls, ..Self::default() }, server))
    }

    /// Sends one request with a url in origin form. Sets Host if the request has none.
    ///
    /// # Errors
    /// The reply is missing or incomplete.
    pub(crate) async fn send(
        &self,
        server: &Server,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ClientError> {
        if let Ok(host) = HeaderValue::from_str(server.host()) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        let request = request.map(Full::new);
        tokio::time::timeout(self.timeout, self.connect_and_exchange(server, request))
            .await
            .unwrap_or_else(|_| Err(ClientError::TimedOut { server: server.clone(), timeout: self.timeout }))
    }

    async fn connect_and_exchange(
        &self,
        server: &Server,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        let not_connected = |reason| ClientError::NotConnected { server: server.clone(), reason };
        match server {
            Server::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(not_connected)?;
                self.exchange(server, stream, request).await
            }
            Server::Tls { address, name } => {
                let no_tls = || not_connected(std::io::Error::other("TLS is not set up"));
                let config = self.tls.clone().ok_or_else(no_tls)?;
                let stream = TcpStream::connect(address).await.map_err(not_connected)?;
                let stream = TlsConnector::from(config).connect(name.clone(), stream).await;
                let advised = |error: std::io::Error| match advice(&error.to_string()) {
                    Some(advice) => not_connected(std::io::Error::other(format!("{error}: {advice}"))),
                    None => not_connected(error),
                };
                self.exchange(server, stream.map_err(advised)?, request).await
            }
            Server::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(not_connected)?;
                self.exchange(server, stream, request).await
            }
        }
    }

    async fn exchange<S>(
        &self,
        server: &Server,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| server.broken(&error);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // The exchange has the reason if the connection breaks. The connection ends with it, because it owns the sender.
        let (reply, _) = tokio::join!(self.reply(server, sender, request), connection);
        reply
    }

    async fn reply(
        &self,
        server: &Server,
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        let reply = sender.send_request(request).await.map_err(|error| server.broken(&error))?;
        let (head, body) = reply.into_parts();
        match Limited::new(body, self.max_reply).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) => Err(match error.downcast::<hyper::Error>() {
                Ok(error) => server.broken(&error),
                Err(_) => ClientError::TooLarge { server: server.clone(), max_reply: self.max_reply },
            }),
        }
    }
}

impl Server {
    /// The server on this machine that listens at this address: over loopback if it is bound to every address.
    pub(crate) fn bound_to(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        SocketAddr::new(ip, address.port()).into()
    }

    /// The server of a url with one of the schemes `http` and `https`, and a host. Its path is left to the request.
    pub(crate) fn from_url(url: &Uri) -> Option<Self> {
        let (host, port) = (url.host()?, url.port_u16());
        match url.scheme_str()? {
            "http" => Some(Self::Tcp(format!("{host}:{}", port.unwrap_or(80)))),
            "https" => {
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
                Some(Self::Tls { address: format!("{host}:{}", port.unwrap_or(443)), name })
            }
            _ => None,
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Tcp(address) | Self::Tls { address, .. } => address,
            Self::Unix(_) => "localhost",
        }
    }

    fn broken(&self, error: &hyper::Error) -> ClientError {
        let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
        ClientError::NoReply { server: self.clone(), reason: format!("{error}{cause}") }
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) | Self::Tls { address, .. } => formatter.write_str(address),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// TLS that trusts the authorities in a PEM file, or those of the system.
///
/// # Errors
/// The certificates can't be read.
pub(crate) fn tls_config(ca: Option<&Path>) -> std::io::Result<Arc<ClientConfig>> {
    let certificates = match ca {
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(std::io::Error::other)?,
        None => rustls_native_certs::load_native_certs()?,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS12, &TLS13]).map_err(std::io::Error::other)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What the client makes of this answer.
    async fn reply_to(answer: &'static str) -> Result<Response<Bytes>, ClientError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::from(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let client = HttpClient { max_reply: 4, ..HttpClient::default() };
        client.send(&server, Request::new(Bytes::new())).await
    }

    #[tokio::test]
    async fn a_reply_is_complete_or_an_error() {
        let reply = reply_to("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody").await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.body().as_ref()), (200, b"body".as_slice()));
        let until_the_end = reply_to("HTTP/1.0 200 OK\r\n\r\nend").await.unwrap();
        assert_eq!(until_the_end.body(), "end");
        let large = reply_to("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlarge").await;
        assert!(matches!(large, Err(ClientError::TooLarge { .. })), "{large:?}");
        for broken in ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", "what?\r\n\r\n", ""] {
            let reply = reply_to(broken).await;
            assert!(matches!(reply, Err(ClientError::NoReply { .. })), "{broken}: {reply:?}");
        }
    }

    #[test]
    fn a_server_on_every_address_is_asked_over_loopback() {
        for (bound, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(Server::bound_to(bound.parse().unwrap()), Server::Tcp(asked.to_owned()));
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_if_no_server_listens() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for server in [Server::from(closed), Server::Unix("/nowhere/at/all".into())] {
            let error = HttpClient::default().send(&server, Request::new(Bytes::new())).await.unwrap_err();
            assert!(matches!(error, ClientError::NotConnected { .. }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::from(listener.local_addr().unwrap());
        let client = HttpClient { timeout: Duration::from_millis(50), ..HttpClient::default() };
        let error = client.send(&server, Request::new(Bytes::new())).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
    }
}
