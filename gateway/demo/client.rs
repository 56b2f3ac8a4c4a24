//! A small HTTP/1.1 client, complete request out and complete response in. The demonstration sends its batch with it. Calls
//! for items never use it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;

/// A call takes at most this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a response's body that are accepted.
const MAX_REPLY: usize = 64 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection could be made, so nothing was sent.
    #[error("no connection to {target}: {reason}")]
    NotConnected {
        /// The address that was called.
        target: SocketAddr,
        /// The error that pingora reports.
        reason: String,
    },
    /// The connection broke, or the response is not HTTP.
    #[error("no response from {target}: {reason}")]
    NoResponse {
        /// The address that was called.
        target: SocketAddr,
        /// The error that pingora reports.
        reason: String,
    },
    /// The call took too long.
    #[error("no response from {target} within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut {
        /// The address that was called.
        target: SocketAddr,
    },
    /// The response's body is too large.
    #[error("the response from {target} is larger than {MAX_REPLY} bytes")]
    TooLarge {
        /// The address that was called.
        target: SocketAddr,
    },
}

/// Sends one request with a url in origin form, over HTTP/1.1 without TLS and a connection of its own. Sets `Host` and
/// `Content-Length`.
///
/// # Errors
/// The response is missing or incomplete.
pub(crate) async fn send(
    target: SocketAddr,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, ClientError> {
    tokio::time::timeout(CALL_TIMEOUT, connect_and_exchange(target, request))
        .await
        .unwrap_or(Err(ClientError::TimedOut { target }))
}

async fn connect_and_exchange(
    target: SocketAddr,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, ClientError> {
    let connector: Connector = Connector::new(None);
    let peer = HttpPeer::new(target, false, String::new());
    let (mut session, _) = connector
        .get_http_session(&peer)
        .await
        .map_err(|error| ClientError::NotConnected { target, reason: error.to_string() })?;
    match exchange(&mut session, target, request).await {
        Ok(Some(response)) => Ok(response),
        Ok(None) => Err(ClientError::TooLarge { target }),
        Err(error) => Err(ClientError::NoResponse { target, reason: error.to_string() }),
    }
}

/// The response, or `None` if its body is larger than [`MAX_REPLY`].
async fn exchange(
    session: &mut HttpSession,
    target: SocketAddr,
    request: Request<Bytes>,
) -> pingora::Result<Option<Response<Bytes>>> {
    let (head, body) = request.into_parts();
    let mut head = RequestHeader::from(head);
    head.insert_header(HOST, target.to_string())?;
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    session.write_request_header(Box::new(head)).await?;
    session.write_request_body(body, true).await?;
    session.finish_request_body().await?;
    read_response(session).await
}

async fn read_response(session: &mut HttpSession) -> pingora::Result<Option<Response<Bytes>>> {
    let head = loop {
        session.read_response_header().await?;
        let Some(head) = session.response_header() else {
            return pingora::Error::e_explain(pingora::ErrorType::InvalidHTTPHeader, "no response header");
        };
        // A 1xx precedes the response, but 101 is one (RFC 9110 §15.2).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_if_no_server_listens() {
        let target = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = send(target, Request::new(Bytes::new())).await.unwrap_err();
        assert!(matches!(error, ClientError::NotConnected { .. }), "{error:?}");
    }
}
