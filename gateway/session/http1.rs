//! What a session over HTTP/1.1 does with pingora's.

use bytes::Bytes;
use futures_util::FutureExt;
use pingora::http::ResponseHeader;
use pingora::protocols::http::v1::server::HttpSession as Http1;

use super::Rest;
use crate::transport::field_names;

/// Writes the head of an interim or a final reply. HTTP/1.1 keeps the case of names.
pub(super) async fn write_head(http1: &mut Http1, head: Box<ResponseHeader>) -> pingora::Result<()> {
    http1.write_response_header(field_names::reply_for_http1(head)?).await
}

/// Writes a piece of a reply's body, and its end if nothing follows.
pub(super) async fn write_body(http1: &mut Http1, piece: &Bytes, rest: Rest) -> pingora::Result<()> {
    if !piece.is_empty() {
        http1.write_body(piece).await?;
    }
    if rest.is_end() {
        http1.finish_body().await?;
    }
    Ok(())
}

/// Bytes that a client sent after its request before it saw the 101. pingora has read them already.
pub(super) fn early_bytes(http1: &mut Http1) -> Vec<Bytes> {
    let mut early = Vec::new();
    while let Some(Ok(Some(bytes))) = tokio::task::unconstrained(http1.read_body_bytes()).now_or_never() {
        early.push(bytes);
    }
    early
}
