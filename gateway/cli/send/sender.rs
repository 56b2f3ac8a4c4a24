//! Sends one batch, and sends those of its items once more that the reply says may be.
//!
//! Nothing else is sent twice: a batch without a reply may have been processed, unless no connection was made.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Request, Response, StatusCode};

use super::interrupts::{Interrupts, Stage};
use super::item::{Item, ItemResult, Members, Reply, batch_of, is_retryable};
use crate::header::retry_after::{self as asked, whole_seconds};
use crate::http_client::{ClientError, HttpClient, Server};
use crate::terminal::one_line;

/// The pause before the first attempt after another, if the reply does not say how long. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Characters of a refusal that are shown.
const SHOWN: usize = 300;

/// Where batches are sent, and how.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) client: HttpClient,
    pub(super) server: Server,
    /// The path of the endpoint, with a query if it has one.
    pub(super) endpoint: String,
    pub(super) headers: HeaderMap,
    /// How often an item is sent once more.
    pub(super) retries: u32,
}

/// What one attempt brought.
enum Attempt {
    /// A result for each item.
    Answered(Vec<Members>, Option<Duration>),
    /// Nothing was processed, and it may be sent once more.
    Postponed(Refusal, Option<Duration>),
    /// No connection was made, so nothing was sent.
    NotConnected(Refusal),
    /// Sending it once more does not help, or is not safe.
    Failed(Refusal),
}

/// Why a batch has no results.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: Option<u16>,
    pub(super) problem: String,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) results: Vec<ItemResult>,
    /// Items that were sent once more, each time counted.
    pub(super) resent: u64,
    /// Why none of its attempts had a connection.
    pub(super) not_connected: Option<String>,
}

impl Sender {
    /// Sends these items until each has its last result, or a signal ends the run.
    pub(super) async fn send(&self, items: Vec<Item>, interrupts: &Interrupts) -> Sent {
        let mut items: Vec<Open> = items.into_iter().map(|item| Open { item, last: None }).collect();
        let mut sent = Sent::default();
        let mut was_connected = false;
        for attempt in 1.. {
            let left = self.retries.saturating_sub(attempt - 1);
            let outcome = self.attempt(&items, interrupts).await;
            let is_connected = !matches!(outcome, Attempt::NotConnected(_));
            was_connected |= is_connected;
            let (pause, refusal) = match outcome {
                Attempt::Answered(results, after) => {
                    let pause = pause(after, attempt);
                    items = keep_retryable(items, results, attempt, &mut sent.results);
                    (pause, None)
                }
                Attempt::Postponed(refusal, after) => (pause(after, attempt), Some(refusal)),
                Attempt::NotConnected(refusal) => {
                    if !was_connected && left == 0 {
                        sent.not_connected = Some(refusal.problem.clone());
                    }
                    (Some(pause_before(attempt)), Some(refusal))
                }
                Attempt::Failed(refusal) => return sent.failed(items, attempt, &refusal),
            };
            let Some(pause) = pause.filter(|_| left > 0 && !items.is_empty()) else {
                return sent.not_again(items, attempt, refusal.as_ref());
            };
            if interrupts.pause(pause).await.is_none() {
                return sent.not_again(items, attempt, refusal.as_ref());
            }
            sent.resent += if is_connected { items.len() as u64 } else { 0 };
        }
        sent
    }

    async fn attempt(&self, items: &[Open], interrupts: &Interrupts) -> Attempt {
        let json = HeaderValue::from_static("application/json");
        let reply = interrupts
            .before(Stage::Leaving, self.post(batch_of(items.iter().map(|open| &open.item)).into(), &json))
            .await;
        let Some(reply) = reply else {
            return Attempt::Failed(Refusal::by_signal(
                "a signal ended the run before the reply came; nobody can say what became of the item",
            ));
        };
        let is_for_now = is_for_now(&reply);
        let reply = match reply {
            Ok(reply) => reply,
            Err(error @ ClientError::NotConnected { .. }) => return Attempt::NotConnected(error.into()),
            Err(error) => return Attempt::Failed(error.into()),
        };
        let after = retry_after(reply.headers());
        if !reply.status().is_success() {
            let refusal = Refusal::from_reply(&reply);
            return if is_for_now { Attempt::Postponed(refusal, after) } else { Attempt::Failed(refusal) };
        }
        match serde_json::from_slice::<Reply>(reply.body()) {
            Ok(Reply { responses }) if responses.len() == items.len() => Attempt::Answered(responses, after),
            Ok(_) | Err(_) => Attempt::Failed(Refusal::by_another(&reply)),
        }
    }

    /// Sends a body until it is not refused for the moment, or a signal ends the run.
    pub(super) async fn post_until_taken(
        &self,
        body: Bytes,
        content_type: &HeaderValue,
        interrupts: &Interrupts,
    ) -> Result<Response<Bytes>, ClientError> {
        let mut attempt = 1;
        loop {
            let reply = self.post(body.clone(), content_type).await;
            if attempt > self.retries || !is_for_now(&reply) {
                return reply;
            }
            let after = reply.as_ref().ok().and_then(|reply| retry_after(reply.headers()));
            let Some(pause) = pause(after, attempt) else { return reply };
            if interrupts.pause(pause).await.is_none() {
                return reply;
            }
            attempt += 1;
        }
    }

    /// Sends a body once.
    pub(super) async fn post(
        &self,
        body: Bytes,
        content_type: &HeaderValue,
    ) -> Result<Response<Bytes>, ClientError> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        if let Ok(uri) = self.endpoint.parse() {
            *request.uri_mut() = uri;
        }
        request.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().extend(self.headers.clone());
        self.client.send(&self.server, request).await
    }
}

/// An item that may be sent once more.
struct Open {
    item: Item,
    /// What became of it when it was last sent, if it has a result.
    last: Option<Members>,
}

/// Writes the results that are final, and returns the items that may be sent once more, with the result that they have so far.
fn keep_retryable(
    items: Vec<Open>,
    results: Vec<Members>,
    attempt: u32,
    done: &mut Vec<ItemResult>,
) -> Vec<Open> {
    let mut again = Vec::new();
    for (Open { item, last: _ }, result) in items.into_iter().zip(results) {
        if is_retryable(&result) {
            again.push(Open { item, last: Some(result) });
        } else {
            done.push(ItemResult::new(item, attempt, result));
        }
    }
    again
}

impl Sent {
    /// With these items, of which nobody can say what became of them.
    fn failed(self, items: Vec<Open>, attempts: u32, refusal: &Refusal) -> Self {
        let unknown = items.into_iter().map(|open| Open { last: None, ..open });
        self.not_again(unknown.collect(), attempts, Some(refusal))
    }

    /// With these items, which are not sent once more. A batch that was not taken changes nothing: results from before stay true.
    fn not_again(mut self, items: Vec<Open>, attempts: u32, refusal: Option<&Refusal>) -> Self {
        let (status, problem) = refusal.map_or((None, ""), |refusal| (refusal.status, &*refusal.problem));
        self.results.extend(items.into_iter().map(|Open { item, last }| match last {
            Some(result) => ItemResult::new(item, attempts, result),
            None => ItemResult::without_reply(item, attempts, status, problem),
        }));
        self.results.sort_by_key(ItemResult::number);
        self
    }
}

impl Refusal {
    fn by_signal(problem: &str) -> Self {
        Self { status: None, problem: problem.to_owned() }
    }

    /// A success that no batch endpoint has said.
    pub(super) fn by_another(reply: &Response<Bytes>) -> Self {
        let content_type = reply.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let content_type = one_line(&String::from_utf8_lossy(content_type), SHOWN);
        let text = one_line(&String::from_utf8_lossy(reply.body()), SHOWN);
        let problem = format!(
            "the reply ({}) is not that of a batch endpoint, so nobody can say what became of the items; --url and --endpoint say where batches go",
            reply.status()
        );
        let parts = [problem, content_type, text];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { status: None, problem: parts.join(": ") }
    }

    pub(super) fn from_reply(reply: &Response<Bytes>) -> Self {
        let status = reply.status();
        let mut problem = format!("the batch was refused with {status}");
        let location = reply.headers().get(LOCATION).filter(|_| status.is_redirection());
        if let Some(location) = location {
            let location = one_line(&String::from_utf8_lossy(location.as_bytes()), SHOWN);
            problem = format!("{problem}, Location: {location}; --url and --endpoint say where batches go");
        }
        if let Some(after) = retry_after(reply.headers()).filter(|after| *after > LONGEST_PAUSE) {
            let (asked, longest) = (whole_seconds(after), LONGEST_PAUSE.as_secs());
            problem = format!("{problem} and Retry-After: {asked}, but send waits {longest} s at most");
        }
        let text = one_line(&String::from_utf8_lossy(reply.body()), SHOWN);
        if !text.is_empty() {
            problem.push_str(": ");
            problem.push_str(&text);
        }
        Self { status: Some(status.as_u16()), problem }
    }
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self { status: None, problem: error.to_string() }
    }
}

/// Whether nothing was processed, and the same may be sent once more.
pub(super) fn is_for_now(reply: &Result<Response<Bytes>, ClientError>) -> bool {
    match reply {
        Ok(reply) => {
            matches!(reply.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        }
        Err(ClientError::NotConnected { .. }) => true,
        Err(ClientError::NoReply { .. } | ClientError::TimedOut { .. } | ClientError::TooLarge { .. }) => {
            false
        }
    }
}

/// How long the reply asks to wait.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    asked::parse(headers.get(RETRY_AFTER)?)
}

/// How long to wait before the attempt after this one, if the reply says `after`; `None` if it asks for too long.
pub(super) fn pause(after: Option<Duration>, attempt: u32) -> Option<Duration> {
    Some(after.unwrap_or_else(|| pause_before(attempt))).filter(|pause| *pause <= LONGEST_PAUSE)
}

/// How long to wait before the attempt after this one, if nobody says.
fn pause_before(attempt: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        let pauses = [1, 2, 3, 60].map(|attempt| pause_before(attempt).as_millis());
        assert_eq!(pauses, [500, 1000, 2000, 60_000]);
    }

    #[test]
    fn a_refusal_names_the_status() {
        let problem = |status: u16, body: &'static str| {
            let reply = Response::builder().status(status).header(LOCATION, "/new").body(Bytes::from(body));
            Refusal::from_reply(&reply.unwrap()).problem
        };
        let moved = "the batch was refused with 301 Moved Permanently, Location: /new; --url and --endpoint say where batches go";
        assert_eq!(problem(301, ""), moved);
        assert_eq!(problem(413, "too\nlarge"), "the batch was refused with 413 Payload Too Large: too large");
    }

    #[test]
    fn the_reply_says_how_long_to_wait() {
        let after = |value: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
        };
        assert_eq!(after("3"), Some(Duration::from_secs(3)));
        assert_eq!(pause(after("60"), 1), Some(LONGEST_PAUSE));
        assert_eq!(pause(after("61"), 1), None);
        assert_eq!(pause(None, 1), Some(FIRST_PAUSE));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }
}
