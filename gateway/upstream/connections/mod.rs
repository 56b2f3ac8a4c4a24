//! Connections to targets: opened, kept while they are idle, and shared. Items, single requests and health checks all
//! come here, so one rule holds for all of them.
//!
//! In: a [`Peer`], which is a target at one address. Out: a connection of HTTP/1.1, or a session of the version that the
//! target speaks. Connections are opened here, because pingora's connector can't be told whom to trust beyond a list of
//! authorities, and does not report why a TLS handshake failed.
//!
//! There is one pool for all upstreams, and each worker thread has a share of it, because a connection is woken on the thread
//! that opened it. A share has two parts: idle connections of HTTP/1.1 are kept here (`idle`), those of HTTP/2 by pingora,
//! because they are shared while they are in use. `limits.idle_connections` bounds all shares of each part together. The pool
//! outlives a reload. A thread uses a connection of another one rather than open more than its upstream takes at once.
//!
//! Invariants: a connection is only used by peers with the same `group_key`, so its certificate was judged by the same rules
//! (`tls::UpstreamTls::verified`). Nothing of a request is sent before that judgement. `timeout.connect` is the limit
//! for TCP and TLS together.

mod encrypted;
mod idle;
mod race;
pub(crate) mod tls;
mod unix;
mod verifier;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v2::{self, H2HandshakeSettings, handshake};
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::protocols::http::v2::client::Http2Session;
use pingora::protocols::{Stream, l4};
use pingora::upstreams::peer::Peer as _;
use pingora::{Error, ErrorType};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::TargetAddress;
use crate::problem::is_idempotent;
use crate::telemetry::{TlsCause, TlsFailures, TlsTarget};
use crate::workers;

use super::peer::Peer;
use crate::transport::handshake;
use encrypted::Encrypted;
use idle::{IdlePool, Taken};
pub(crate) use race::race;
use tls::Offer;
use tls::UpstreamTls;

/// All connections to targets.
pub(crate) struct Connections {
    /// One for each worker, by its place.
    shares: Vec<Share>,
    /// For threads that are not workers: health checks are made there.
    other: Share,
    failures: Arc<TlsFailures>,
}

/// The connections that belong to one thread.
struct Share {
    /// Keeps idle connections of HTTP/1.1.
    http1: IdlePool,
    /// Keeps connections of HTTP/2, idle or with room for more streams.
    http2: v2::Connector,
}

impl Share {
    fn new(idle: usize) -> Self {
        Self { http1: IdlePool::new(idle), http2: v2::Connector::new(Some(ConnectorOptions::new(idle))) }
    }
}

/// A connection that was just opened, and whether the target chose HTTP/2 on it.
struct Opened {
    stream: Stream,
    is_http2: bool,
}

impl Opened {
    /// A connection without TLS, on which the target has no choice.
    fn plain(stream: l4::stream::Stream, offer: Offer) -> Self {
        Self { stream: Box::new(stream), is_http2: offer == Offer::Http2 }
    }
}

impl Connections {
    /// At most `idle` connections are kept idle, by all `workers` together. If there are fewer than workers, each may keep one.
    pub(crate) fn new(idle: usize, workers: NonZeroUsize, failures: Arc<TlsFailures>) -> Self {
        let share = idle.div_ceil(workers.get());
        let shares = (0..workers.get()).map(|_| Share::new(share)).collect();
        Self { shares, other: Share::new(share), failures }
    }

    /// The connections of the current thread.
    fn own(&self) -> &Share {
        let worker = workers::place().checked_sub(1);
        worker.and_then(|worker| self.shares.get(worker)).unwrap_or(&self.other)
    }

    /// An idle connection of HTTP/1.1 for a request with this method, if there is one. It is still open, and the service has
    /// sent nothing unasked: such bytes (a 408 for idleness, say) would be taken for the next reply.
    ///
    /// A request that can't be sent twice is lost on a connection that is about to close. So the network is asked
    /// once more for those, and services whose idle connections are mostly gone get new ones.
    ///
    /// `may_open`: whether another connection may be opened while so many are idle. If not, one that belongs to another
    /// thread will do.
    pub(crate) async fn idle_http1(
        &self,
        peer: &Peer,
        method: &Method,
        may_open: impl Fn(usize) -> bool,
    ) -> Option<Stream> {
        let is_safe = is_idempotent(method);
        if !is_safe && !peer.state.keeps_idle() {
            return None;
        }
        if !is_safe {
            // Lets the runtime read what has come from the network meanwhile.
            tokio::task::yield_now().await;
        }
        loop {
            match self.take_idle(peer.pool_key, &may_open) {
                Taken::Open(stream) => return Some(stream),
                Taken::Closed { soon: true } => peer.state.idle_was_gone(),
                Taken::Closed { soon: false } => {}
                Taken::Nothing => return None,
            }
        }
    }

    fn take_idle(&self, key: u64, may_open: impl Fn(usize) -> bool) -> Taken {
        let own = self.own().http1.take(key);
        if !matches!(own, Taken::Nothing) {
            return own;
        }
        let idle = self.all().map(|share| share.http1.count(key)).sum();
        if idle == 0 || may_open(idle) {
            return Taken::Nothing;
        }
        let mut others = self.all().map(|share| share.http1.take(key));
        others.find(|taken| !matches!(taken, Taken::Nothing)).unwrap_or(Taken::Nothing)
    }

    fn all(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter().chain([&self.other])
    }

    /// Drops idle connections that can't be used any more.
    pub(crate) fn sweep(&self) {
        self.all().for_each(|share| share.http1.sweep());
    }

    /// A new connection of HTTP/1.1.
    pub(crate) async fn new_http1(&self, peer: &Peer) -> pingora::Result<Stream> {
        self.open(peer, Offer::Http1).await.map(|opened| opened.stream)
    }

    /// Keeps a connection of HTTP/1.1 on which nothing is under way.
    pub(crate) fn keep_http1(&self, stream: Stream, peer: &Peer) {
        self.own().http1.keep(peer.pool_key, stream, peer.idle_timeout);
    }

    /// A session of the version of HTTP that the target speaks, and whether its connection was there already.
    pub(crate) async fn session(
        &self,
        peer: &Peer,
        may_open: impl Fn(usize) -> bool,
    ) -> pingora::Result<(HttpSession, bool)> {
        let offer = Offer::of(peer.scheme);
        if let Some(session) = self.new_stream(peer).await {
            return Ok((HttpSession::H2(session), true));
        }
        if offer != Offer::Http2
            && let Some(stream) = self.idle_http1(peer, &Method::GET, may_open).await
        {
            return Ok((http1_session(stream, peer), true));
        }
        Ok((self.new_session(peer).await?, false))
    }

    /// A stream of HTTP/2 on a connection that is open, if there is one with room for it.
    pub(crate) async fn new_stream(&self, peer: &Peer) -> Option<Http2Session> {
        if Offer::of(peer.scheme) == Offer::Http1 {
            return None;
        }
        // A connection that is going away is not a failure: a new one takes its place.
        self.own().http2.reused_http_session(&peer.http).await.ok().flatten()
    }

    /// A session on a new connection.
    pub(crate) async fn new_session(&self, peer: &Peer) -> pingora::Result<HttpSession> {
        let offer = Offer::of(peer.scheme);
        let Opened { stream, is_http2 } = self.open(peer, offer).await?;
        if !is_http2 {
            return Ok(http1_session(stream, peer));
        }
        let options = &peer.http.options;
        let mut settings = H2HandshakeSettings::new();
        settings.max_streams = options.max_h2_streams;
        settings.stream_window_size = options.h2_stream_window_size;
        settings.connection_window_size = options.h2_connection_window_size;
        let connection = handshake(stream, settings).await?;
        let Some(session) = connection.spawn_stream().await? else {
            return Error::e_explain(ErrorType::H2Error, "a new connection has no room for a stream");
        };
        if connection.more_streams_allowed() {
            self.own().http2.in_use_pool().insert(peer.http.reuse_hash(), connection);
        }
        Ok(HttpSession::H2(session))
    }

    /// Keeps the connection of a session whose exchange is complete, if it can be used again.
    pub(crate) async fn keep(&self, session: HttpSession, peer: &Peer) {
        match session {
            HttpSession::H1(mut session) => {
                session.respect_keepalive();
                if let Some(stream) = session.reuse().await {
                    self.keep_http1(stream, peer);
                }
            }
            HttpSession::H2(session) => {
                self.own().http2.release_http_session(session, &peer.http, peer.http.options.idle_timeout);
            }
            HttpSession::Custom(()) => {}
        }
    }

    async fn open(&self, peer: &Peer, offer: Offer) -> pingora::Result<Opened> {
        let is_shaking = AtomicBool::new(false);
        let opening = async {
            let tcp = match &peer.address {
                TargetAddress::Tcp(address) => TcpStream::connect(address).await.map_err(not_connected)?,
                TargetAddress::Unix(path) => {
                    let socket = unix::connect(path).await.map_err(not_connected)?;
                    return Ok(Opened::plain(socket.into(), offer));
                }
            };
            tcp.set_nodelay(true).map_err(not_connected)?;
            let Some(tls) = &peer.tls else { return Ok(Opened::plain(tcp.into(), offer)) };
            is_shaking.store(true, Ordering::Relaxed);
            let shaken = shake_hands(tls, peer, tcp, offer, Arc::clone(&self.failures)).await;
            shaken.inspect_err(|error| {
                let (cause, detail) = handshake::cause_of(&**error);
                self.count(peer, cause, &detail);
            })
        };
        let limit = peer.http.options.total_connection_timeout;
        let Some(limit) = limit else { return opening.await };
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| {
            if is_shaking.load(Ordering::Relaxed) {
                self.count(peer, TlsCause::Timeout, "timeout.connect is over");
            }
            Error::e_explain(ErrorType::ConnectTimedout, "no connection in time")
        })
    }

    fn count(&self, peer: &Peer, cause: TlsCause, detail: &str) {
        if let Some(tls) = &peer.tls {
            let target = TlsTarget { upstream: &tls.upstream, target: &peer.name, address: &peer.address };
            self.failures.with_target(target, cause, detail, &tls.throttle);
        }
    }
}

/// Whether a connection that a caller holds between two calls has brought nothing, not even its end.
pub(crate) fn is_quiet(stream: &mut Stream, peer: &Peer) -> bool {
    let is_quiet = idle::is_quiet(stream);
    if !is_quiet {
        peer.state.idle_was_gone();
    }
    is_quiet
}

/// A session on a connection over HTTP/1.1.
pub(crate) fn http1_session(stream: Stream, peer: &Peer) -> HttpSession {
    HttpSession::H1(Http1Session::new_with_options(stream, &peer.http))
}

async fn shake_hands(
    tls: &Arc<UpstreamTls>,
    peer: &Peer,
    tcp: TcpStream,
    offer: Offer,
    failures: Arc<TlsFailures>,
) -> pingora::Result<Opened> {
    let failed = |error: rustls::Error| Error::because(ErrorType::TLSHandshakeFailure, "TLS", error);
    let name = match &tls.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(peer.http.sni.clone()).map_err(|_| {
            failed(rustls::Error::General("the target's host can't be the name of a server".to_owned()))
        })?,
    };
    let connecting = TlsConnector::from(Arc::clone(tls.offering(offer))).connect(name, tcp).await;
    let stream = connecting.map_err(|error| Error::because(ErrorType::TLSHandshakeFailure, "TLS", error))?;
    let (tls, name, address) = (Arc::clone(tls), Arc::clone(&peer.name), peer.address.clone());
    let on_refusal = move |error: &io::Error| {
        let (cause, detail) = handshake::cause_of(error);
        let target = TlsTarget { upstream: &tls.upstream, target: &name, address: &address };
        failures.with_target(target, cause, &detail, &tls.throttle);
    };
    let encrypted = Encrypted::new(stream, Box::new(on_refusal));
    let is_http2 = encrypted.is_http2();
    if offer == Offer::Http2 && !is_http2 {
        return Err(failed(rustls::Error::NoApplicationProtocol));
    }
    Ok(Opened { stream: Box::new(encrypted), is_http2 })
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's results have it so")]
#[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are treated alike")]
fn not_connected(error: io::Error) -> Box<Error> {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut, WouldBlock};
    let kind = match error.kind() {
        // The second: the backlog of a Unix socket is full.
        ConnectionRefused | WouldBlock => ErrorType::ConnectRefused,
        HostUnreachable | NetworkUnreachable => ErrorType::ConnectNoRoute,
        TimedOut => ErrorType::ConnectTimedout,
        _ => ErrorType::ConnectError,
    };
    Error::because(kind, "the system", error)
}
