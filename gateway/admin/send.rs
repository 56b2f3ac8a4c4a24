//! `POST /send`: a batch of the console's composer. A browser does not let the page ask the front, which is another origin, so
//! the admin listener sends the batch there, as any client would: authentication and all limits apply. Only for who may change
//! something here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::guard::may_write;
use crate::clock::Stopwatch;
use crate::config::{ListenAddress, Settings};
use crate::header::field::is_of_framing;
use crate::http_client::{HttpClient, Server};

/// Larger replies are not for a browser's text field.
const MAX_REPLY: usize = 8 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A batch as the composer has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Composed {
    path: String,
    headers: Vec<[String; 2]>,
    body: String,
}

/// Why a batch was not sent, or got no reply.
#[derive(Debug)]
pub(super) struct NotSent {
    /// The status that says so.
    pub(super) status: StatusCode,
    /// A sentence for people.
    pub(super) text: String,
}

impl NotSent {
    fn new(status: StatusCode, text: &dyn ToString) -> Self {
        Self { status, text: format!("{}\n", text.to_string().trim_end()) }
    }
}

/// Sends the batch in a request of the console. Returns the reply as JSON: `status`, `ms`, `headers`, `body`.
pub(super) async fn send(settings: &Settings, request: &Request<Bytes>) -> Result<String, NotSent> {
    let checked = may_write(request, settings.console.token.as_ref());
    checked.map_err(|refusal| NotSent::new(refusal.status, &refusal.text))?;
    let bad = |error: &dyn ToString| NotSent::new(StatusCode::BAD_REQUEST, error);
    let composed: Composed = serde_json::from_slice(request.body()).map_err(|error| {
        bad(&format!("write {{\"path\": …, \"headers\": [[name, value], …], \"body\": …}} as JSON: {error}"))
    })?;
    if let Some([name, _]) = composed
        .headers
        .iter()
        .find(|[name, _]| HeaderName::try_from(name).is_ok_and(|name| is_of_framing(&name)))
    {
        return Err(bad(&format!("leave {name} out: the gateway sets what frames the batch")));
    }
    let batch = composed.request().map_err(|error| bad(&error))?;
    let front = front(settings).ok_or_else(|| {
        let text = "every listener speaks TLS: send the batch with another client";
        NotSent::new(StatusCode::NOT_IMPLEMENTED, &text)
    })?;
    let stopwatch = Stopwatch::start();
    let client = HttpClient { timeout: TIMEOUT, max_reply: MAX_REPLY, tls: None };
    let reply = client.send(&front, batch).await;
    let reply = reply.map_err(|error| NotSent::new(StatusCode::BAD_GATEWAY, &error))?;
    Ok(shown(&reply, stopwatch.elapsed()))
}

impl Composed {
    fn request(self) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::builder().method(Method::POST).uri(self.path);
        for [name, value] in &self.headers {
            request = request.header(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        request.body(self.body.into())
    }
}

fn shown(reply: &Response<Bytes>, took: Duration) -> String {
    let headers = reply.headers().iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| [name.as_str().into(), String::from_utf8_lossy(value.as_bytes())])
        .collect();
    let body = String::from_utf8_lossy(reply.body());
    json!({ "status": reply.status().as_u16(), "ms": took.as_millis(), "headers": headers, "body": body })
        .to_string()
}

/// A listener of the front without TLS.
fn front(settings: &Settings) -> Option<Server> {
    let plain = settings.listen.iter().find(|listener| listener.tls.is_none())?;
    Some(match &plain.address {
        ListenAddress::Tcp(address) => Server::bound_to(*address),
        ListenAddress::Unix(path) => Server::Unix(path.clone()),
    })
}
