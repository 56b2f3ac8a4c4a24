//! The redirect to HTTPS (`redirect_to_https` of a listener). In: a request that came over plain HTTP. Out: the same url with `https`.

use http::{StatusCode, header};

use crate::problem::RequestRejection;
use crate::route::host_of;
use crate::session::Session;

use super::context::Context;
use super::reply::Reply;

/// The port of `https` urls without one.
const DEFAULT_PORT: u16 = 443;

/// There is no url to send the client to. The request isn't served either: it would get past TLS, and past the certificate that
/// clients need there.
const NO_HOST: RequestRejection = RequestRejection::ForbiddenUrl {
    problem: "has no host, and this listener only sends clients to HTTPS: add a Host field, or use HTTPS",
};

/// The answer to a request whose listener sends its clients to HTTPS; `None` if it is served.
///
/// # Errors
/// It names no host.
pub(super) fn redirected<'gateway>(
    session: &Session,
    context: &Context,
) -> Result<Option<Reply<'gateway>>, RequestRejection> {
    let Some(port) = port_of_https(session, context) else { return Ok(None) };
    let host = host_of(&context.caller.authority);
    if host.is_empty() {
        return Err(NO_HOST);
    }
    let port = if port == DEFAULT_PORT { String::new() } else { format!(":{port}") };
    let uri = &session.req_header().uri;
    let path = if uri.path().starts_with('/') { uri.path() } else { "/" };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let reply = Reply::without_body(StatusCode::PERMANENT_REDIRECT).same_for_all();
    Ok(Some(reply.with(header::LOCATION, Some(format!("https://{host}{port}{path}{query}")))))
}

/// The port that a request is sent to, if it came in plain text to a listener that redirects.
fn port_of_https(session: &Session, context: &Context) -> Option<u16> {
    let listeners = &context.snapshot.settings.listen;
    if listeners.iter().all(|listener| listener.redirect_to_https.is_none()) {
        return None;
    }
    let local = session.local_address()?;
    let port = listeners.iter().find(|listener| listener.takes(local))?.redirect_to_https?;
    (context.caller.scheme() != "https").then_some(port)
}
