//! The redirect to HTTPS (`redirect_to_https` of a listener). In: a request that came over plain HTTP. Out: the same url with `https`.

use http::{StatusCode, header};

use crate::route::host_of;
use crate::session::Session;

use super::context::Context;
use super::reply::Reply;

/// The port of `https` urls without one.
const DEFAULT_PORT: u16 = 443;

/// The answer to a request whose listener sends its clients to HTTPS; `None` if it is served. A request that names no host
/// can't be sent anywhere.
pub(super) fn redirected<'gateway>(session: &Session, context: &Context) -> Option<Reply<'gateway>> {
    let listeners = &context.snapshot.settings.listen;
    if listeners.iter().all(|listener| listener.redirect_to_https.is_none()) {
        return None;
    }
    let local = session.local_address()?;
    let port = listeners.iter().find(|listener| listener.takes(local))?.redirect_to_https?;
    let caller = &context.caller;
    if caller.scheme() == "https" {
        return None;
    }
    let host = host_of(&caller.authority);
    if host.is_empty() {
        return None;
    }
    let port = if port == DEFAULT_PORT { String::new() } else { format!(":{port}") };
    let uri = &session.req_header().uri;
    let path = if uri.path().starts_with('/') { uri.path() } else { "/" };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let reply = Reply::without_body(StatusCode::PERMANENT_REDIRECT).same_for_all();
    Some(reply.with(header::LOCATION, Some(format!("https://{host}{port}{path}{query}"))))
}
