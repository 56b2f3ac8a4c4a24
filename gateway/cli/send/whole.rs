//! A file that is a batch: it is sent as it is. If it is JSON, those of its items that the reply calls retryable are sent once
//! more, in a batch of their own, and their results take the place of the first ones.
//!
//! An item that waits for others or refers to them is not sent without them, and none is if the items have to run in their
//! order: then the gateway's reply is the result, whatever it says.

use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::error::SendError;
use super::interrupts::{Interrupts, Stage};
use super::item::{Members, failures_in, is_failure, is_retryable, waits_by};
use super::sender::{Refusal, Sender, is_for_now, pause, retry_after};
use crate::http_client::ClientError;
use crate::plan::Preferences;
use crate::terminal::print_error;

/// What marks a reference to the result of another item: `{$responses.ID.body}`, or `$ID` at the start of a url.
const REFERENCES: [&str; 2] = ["{$", "\"$"];

/// Sends a batch file. The first signal lets the batch end, the second one does not.
pub(super) async fn send(
    sender: &Sender,
    mut input: impl Read,
    content_type: &HeaderValue,
    results: Box<dyn Write>,
) -> Result<(), SendError> {
    let mut body = Vec::new();
    input.read_to_end(&mut body)?;
    let interrupts = Interrupts::watch()?;
    let sent = send_body(sender, body.into(), content_type, results, &interrupts);
    match interrupts.before(Stage::Leaving, sent).await {
        Some(sent) => sent,
        None => interrupts.signal().map_or(Ok(()), |signal| Err(SendError::Left(signal))),
    }
}

async fn send_body(
    sender: &Sender,
    body: Bytes,
    content_type: &HeaderValue,
    mut results: Box<dyn Write>,
    interrupts: &Interrupts,
) -> Result<(), SendError> {
    let reply = taken(sender.post_until_taken(body.clone(), content_type, interrupts).await, interrupts)?;
    let after = retry_after(reply.headers());
    let another = Refusal::by_another(&reply);
    let mut reply = reply.into_body();
    if let Some(mut sent) = SentBatch::new(&body, &reply, &sender.headers) {
        let resent = sent.send_again(sender, content_type, after, interrupts).await;
        if resent > 0 {
            print_error(format_args!("items sent once more: {resent}"));
            reply = sent.reply()?;
        }
    }
    let written = results.write_all(&reply).and_then(|()| results.write_all(b"\n"));
    written.and_then(|()| results.flush()).map_err(SendError::Results)?;
    let (failed, items) = failures_in(&body, &reply).ok_or(SendError::Refused(another))?;
    match interrupts.signal() {
        Some(signal) => Err(SendError::EndedSent { signal, failed, items }),
        None if failed > 0 => Err(SendError::Failed { failed, items }),
        None => Ok(()),
    }
}

/// The reply, unless the batch was not taken.
fn taken(
    reply: Result<Response<Bytes>, ClientError>,
    interrupts: &Interrupts,
) -> Result<Response<Bytes>, SendError> {
    let signal = interrupts.signal().filter(|_| is_for_now(&reply));
    match (reply, signal) {
        (Ok(reply), _) if reply.status().is_success() => Ok(reply),
        (Ok(reply), None) => Err(SendError::Refused(Refusal::from_reply(&reply))),
        (Ok(reply), Some(signal)) => Err(SendError::EndedUnsent(signal, Refusal::from_reply(&reply).problem)),
        (Err(error), None) => Err(error.into()),
        (Err(error), Some(signal)) => Err(SendError::EndedUnsent(signal, error.to_string())),
    }
}

/// A batch of JSON, and what became of its items so far.
struct SentBatch {
    batch: Members,
    items: Vec<Box<RawValue>>,
    reply: Members,
    responses: Vec<Members>,
}

impl SentBatch {
    /// `None`: nothing of it can be sent once more.
    fn new(batch: &[u8], reply: &[u8], headers: &HeaderMap) -> Option<Self> {
        if Preferences::parse(headers).sequential {
            return None;
        }
        let batch: Members = serde_json::from_slice(batch).ok()?;
        let items: Vec<Box<RawValue>> = serde_json::from_str(batch.get("requests")?.get()).ok()?;
        let reply: Members = serde_json::from_slice(reply).ok()?;
        let responses: Vec<Members> = serde_json::from_str(reply.get("responses")?.get()).ok()?;
        (items.len() == responses.len()).then_some(Self { batch, items, reply, responses })
    }

    /// Sends the retryable items until none is left or they have been sent often enough. Returns how many were sent, each time
    /// counted. A batch of them that gets no results changes nothing: the first results stay true.
    async fn send_again(
        &mut self,
        sender: &Sender,
        content_type: &HeaderValue,
        after: Option<Duration>,
        interrupts: &Interrupts,
    ) -> usize {
        let (mut resent, mut after) = (0, after);
        for attempt in 1..=sender.retries {
            let places = self.retryable();
            let Some(body) = self.batch_of(&places).filter(|_| !places.is_empty()) else { break };
            let Some(pause) = pause(after, attempt) else { break };
            if interrupts.pause(pause).await.is_none() {
                break;
            }
            resent += places.len();
            let Ok(reply) = sender.post(body, content_type).await else { break };
            after = retry_after(reply.headers());
            if reply.status().is_success() && !self.replace(&places, reply.body()) {
                break;
            }
        }
        resent
    }

    /// The places of the items that may be sent once more, without the others.
    fn retryable(&self) -> Vec<usize> {
        let results = self.items.iter().zip(&self.responses).enumerate();
        let results = results.filter(|(_, (item, result))| is_retryable(result) && stands_alone(item));
        results.map(|(place, _)| place).collect()
    }

    /// The batch with these items only.
    fn batch_of(&self, places: &[usize]) -> Option<Bytes> {
        let items: Vec<_> = places.iter().filter_map(|place| self.items.get(*place)).collect();
        let mut batch = self.batch.clone();
        batch.insert("requests".to_owned(), to_raw_value(&items).ok()?);
        serde_json::to_vec(&batch).ok().map(Bytes::from)
    }

    /// Takes the results of these items. Their ids stay: those that the gateway gives are positions.
    fn replace(&mut self, places: &[usize], reply: &[u8]) -> bool {
        let reply: Option<Members> = serde_json::from_slice(reply).ok();
        let results = reply.as_ref().and_then(|reply| reply.get("responses"));
        let results: Option<Vec<Members>> = results.and_then(|list| serde_json::from_str(list.get()).ok());
        let Some(results) = results.filter(|results| results.len() == places.len()) else { return false };
        for (place, mut result) in places.iter().zip(results) {
            if let Some(old) = self.responses.get_mut(*place) {
                if let Some(id) = old.remove("id") {
                    result.insert("id".to_owned(), id);
                }
                *old = result;
            }
        }
        true
    }

    /// The first reply, with the last result of each item.
    fn reply(mut self) -> io::Result<Bytes> {
        self.reply.insert("responses".to_owned(), to_raw_value(&self.responses)?);
        if self.reply.contains_key("summary") {
            let failed = self.responses.iter().filter(|result| is_failure(result)).count();
            let summary = Summary { items: self.responses.len(), failed };
            self.reply.insert("summary".to_owned(), to_raw_value(&summary)?);
        }
        Ok(Bytes::from(serde_json::to_vec(&self.reply)?))
    }
}

#[derive(Serialize)]
struct Summary {
    items: usize,
    failed: usize,
}

/// Whether the item neither waits for others nor refers to them, as far as its text tells.
fn stands_alone(item: &RawValue) -> bool {
    let text = item.get();
    let waits = serde_json::from_str::<Members>(text).map_or(true, |members| waits_by(&members).is_some());
    !waits && !REFERENCES.iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_need_others_do_not_stand_alone() {
        for (item, expected) in [
            (r#"{"method":"GET","url":"/a?x=$1"}"#, true),
            (r#"{"method":"GET","url":"/a","dependsOn":["1"]}"#, false),
            (r#"{"method":"GET","url":"/a","atomicityGroup":"g"}"#, false),
            (r#"{"method":"GET","url":"$1/lines"}"#, false),
            (r#"{"method":"PUT","url":"/a","body":{"of":"{$responses.1.body#/id}"}}"#, false),
            ("[1]", false),
        ] {
            let item = RawValue::from_string(item.to_owned()).unwrap();
            assert_eq!(stands_alone(&item), expected, "{item}");
        }
    }
}
