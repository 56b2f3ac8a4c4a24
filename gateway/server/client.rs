//! One small call as a client, whole request out and whole response in: how the demonstration
//! sends its batch to the gateway. Calls for items go through the engines, never through this.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;

/// The whole call takes at most this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a response's body that are taken.
const MAX_REPLY: usize = 64 << 20;

/// Why a call has no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or one that broke, or a response that is no HTTP.
    #[error("no response from {target}: {reason}")]
    Connection {
        /// Whom we called.
        target: SocketAddr,
        /// What pingora says.
        reason: String,
    },
    /// It took too long.
    #[error("no response from {target} within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut {
        /// Whom we called.
        target: SocketAddr,
    },
    /// The response's body is larger than this client takes.
    #[error("the response from {target} is larger than {MAX_REPLY} bytes")]
    TooLarge {
        /// Whom we called.
        target: SocketAddr,
    },
}

/// Sends one request, its url in origin form, over plain HTTP/1.1 and a connection of its own.
/// `Host` and `Content-Length` are set here.
///
/// # Errors
/// There is no whole response; says why.
pub async fn send(target: SocketAddr, request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
    match tokio::time::timeout(CALL_TIMEOUT, exchange(target, request)).await {
        Ok(Ok(Some(response))) => Ok(response),
        Ok(Ok(None)) => Err(ClientError::TooLarge { target }),
        Ok(Err(error)) => Err(ClientError::Connection { target, reason: error.to_string() }),
        Err(_) => Err(ClientError::TimedOut { target }),
    }
}

async fn exchange(target: SocketAddr, request: Request<Bytes>) -> pingora::Result<Option<Response<Bytes>>> {
    let connector: Connector = Connector::new(None);
    let peer = HttpPeer::new(target, false, String::new());
    let (mut session, _) = connector.get_http_session(&peer).await?;
    let (head, body) = request.into_parts();
    let mut head = RequestHeader::from(head);
    head.insert_header(HOST, target.to_string())?;
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    session.write_request_header(Box::new(head)).await?;
    session.write_request_body(body, true).await?;
    session.finish_request_body().await?;
    read_response(&mut session).await
}

/// The response, or `None` if its body is larger than [`MAX_REPLY`].
async fn read_response(session: &mut HttpSession) -> pingora::Result<Option<Response<Bytes>>> {
    let head = loop {
        session.read_response_header().await?;
        let Some(head) = session.response_header() else {
            return pingora::Error::e_explain(pingora::ErrorType::InvalidHTTPHeader, "no response header");
        };
        // A 1xx comes before the response, except that 101 is one (RFC 9110 §15.2).
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            break head.as_owned_parts();
        }
    };
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_response_body().await? {
        if body.len() + piece.len() > MAX_REPLY {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(Response::from_parts(head, body.freeze())))
}
