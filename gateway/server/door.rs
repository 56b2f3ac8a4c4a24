//! The door: tells HTTP/2 by prior knowledge (RFC 9113 §3.3) from HTTP/1.1, by a connection's first bytes.
//!
//! pingora waits for all 24 bytes of HTTP/2's preface, as long as it takes. A whole request can be
//! shorter (`OPTIONS / HTTP/1.0`, the health check of many balancers), and a connection that says
//! nothing would stay for good.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use crate::clock::Deadline;

use super::front::Front;
use super::gateway::Gateway;

/// What no HTTP/1.1 request begins with: RFC 9113 §3.4 keeps the method PRI for this.
const PREFACE_METHOD: &[u8; 3] = b"PRI";
const PREFACE_LENGTH: usize = 24;

/// Takes connections and hands them to the front, in the protocol that they speak.
pub(super) struct Door {
    gateway: Arc<Gateway>,
    /// Speaks HTTP/2 by prior knowledge, or what ALPN has chosen.
    front: Arc<HttpProxy<Front>>,
    http1: Arc<Http1>,
}

impl Door {
    pub(super) fn new(gateway: Arc<Gateway>, front: HttpProxy<Front>) -> Self {
        let front = Arc::new(front);
        Self { gateway, http1: Arc::new(Http1(Arc::clone(&front))), front }
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(
        self: &Arc<Self>,
        mut connection: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        if connection.get_ssl_digest().is_some() {
            return self.front.process_new(connection, shutdown).await;
        }
        let patience = self.gateway.snapshot().settings.limits.keepalive_timeout;
        match Deadline::after(patience).race(begins_http2(&mut connection)).await {
            Some(Ok(true)) => self.front.process_new(connection, shutdown).await,
            Some(Ok(false)) => self.http1.process_new(connection, shutdown).await,
            Some(Err(_)) | None => None,
        }
    }

    async fn cleanup(&self) {
        self.front.http_cleanup().await;
    }
}

/// Looks at no more bytes than it takes to tell.
async fn begins_http2(connection: &mut Stream) -> std::io::Result<bool> {
    let mut begin = [0; 1];
    connection.try_peek(&mut begin).await?;
    if begin != *b"P" {
        return Ok(false);
    }
    let mut method = [0; PREFACE_METHOD.len()];
    connection.try_peek(&mut method).await?;
    if method != *PREFACE_METHOD {
        return Ok(false);
    }
    // The front looks at the whole preface itself; it shall not have to wait for it.
    connection.try_peek(&mut [0; PREFACE_LENGTH]).await
}

/// The front without HTTP/2 by prior knowledge: it reads requests at once.
struct Http1(Arc<HttpProxy<Front>>);

#[async_trait]
impl HttpServerApp for Http1 {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.0.process_new_http(session, shutdown).await
    }
}
