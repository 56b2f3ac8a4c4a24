//! Items of batches: as they are sent, and what became of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// The members of an object, as they are written.
pub(super) type Members = BTreeMap<String, Box<RawValue>>;

/// Members that make an item wait for others of its batch.
const WAITING: [&str; 3] = ["dependsOn", "if", "atomicityGroup"];

/// An item, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// Its id in the file, as JSON.
    pub(super) id: Option<Box<RawValue>>,
    /// It as JSON. Its id there is the number.
    pub(super) json: String,
}

impl Item {
    /// An item of the batch format.
    pub(super) fn new(number: u64, mut members: Members) -> serde_json::Result<Self> {
        let id = members.insert("id".to_owned(), to_raw_value(&number.to_string())?);
        Ok(Self { number, id, json: serde_json::to_string(&members)? })
    }
}

/// The member that makes an item wait for others.
pub(super) fn waits_by(members: &Members) -> Option<&'static str> {
    WAITING.into_iter().find(|name| members.contains_key(*name))
}

/// A batch of these items.
pub(super) fn batch_of<'items>(items: impl Iterator<Item = &'items Item>) -> String {
    let items: Vec<_> = items.map(|item| item.json.as_str()).collect();
    format!("{{\"requests\":[{}]}}", items.join(","))
}

/// A batch.
#[derive(Deserialize)]
struct Requests<'a> {
    #[serde(borrow)]
    requests: Vec<&'a RawValue>,
}

/// The reply to a batch.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    /// A result for each item, in the order of the batch.
    pub(super) responses: Vec<Members>,
}

/// How many items of a batch failed, and how many it has; `None` if the reply is not that of a batch. An item without a result has
/// failed, if the batch is JSON and so tells how many items it has.
pub(super) fn failures_in(batch: &[u8], reply: &[u8]) -> Option<(u64, u64)> {
    let requests = serde_json::from_slice::<Requests<'_>>(batch).map_or(0, |batch| batch.requests.len());
    let Reply { responses } = serde_json::from_slice(reply).ok()?;
    let failed = responses.iter().filter(|result| is_failure(result)).count();
    let missing = requests.saturating_sub(responses.len());
    Some(((failed + missing) as u64, (responses.len() + missing) as u64))
}

/// What became of an item.
#[derive(Debug, Serialize)]
pub(super) struct ItemResult {
    /// The item's number in the file.
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Box<RawValue>>,
    /// How often it was sent.
    attempts: u32,
    #[serde(flatten)]
    result: Members,
    /// Whether the batch was refused or lost: its status is not the item's, and never a success.
    #[serde(skip)]
    has_no_reply: bool,
}

impl ItemResult {
    pub(super) fn new(item: Item, attempts: u32, mut result: Members) -> Self {
        result.remove("id");
        Self { number: item.number, id: item.id, attempts, result, has_no_reply: false }
    }

    /// The result of an item whose batch has no result.
    pub(super) fn without_reply(item: Item, attempts: u32, status: Option<u16>, problem: &str) -> Self {
        let members = [("status", to_raw_value(&status)), ("problem", to_raw_value(problem))];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.ok()?)));
        Self { has_no_reply: true, ..Self::new(item, attempts, members.collect()) }
    }

    /// The item's number in the file.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_no_reply || is_failure(&self.result)
    }
}

/// Whether a result says that its item failed, or does not say what became of it.
pub(super) fn is_failure(result: &Members) -> bool {
    status_of(result).is_none_or(|status| status >= 400)
}

fn status_of(result: &Members) -> Option<u16> {
    let status = result.get("status")?.get();
    // Some dialects write it as text.
    status.trim_matches('"').parse().ok()
}

/// Whether the reply says that the item may be sent once more.
pub(super) fn is_retryable(result: &Members) -> bool {
    result.get("retryable").is_some_and(|value| value.get() == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: &str) -> Members {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_item_keeps_its_bytes_and_gets_its_number_as_id() {
        let item = Item::new(7, members(r#"{"id":"a","url":"/x","body":{"n":1e400}}"#)).unwrap();
        assert_eq!(item.json, r#"{"body":{"n":1e400},"id":"7","url":"/x"}"#);
        assert_eq!(batch_of([&item].into_iter()), format!("{{\"requests\":[{}]}}", item.json));
        let result = ItemResult::new(item, 2, members(r#"{"id":"7","status":404}"#));
        assert!(result.has_failed());
        let line = serde_json::to_string(&result).unwrap();
        assert_eq!(line, r#"{"number":7,"id":"a","attempts":2,"status":404}"#);
    }

    #[test]
    fn an_item_without_a_result_has_failed() {
        let reply = br#"{"responses":[{"id":"1","status":200}]}"#;
        for (batch, expected) in [
            (&br#"{"requests":[{"url":"/a"}]}"#[..], (0, 1)),
            (br#"{"requests":[{"url":"/a"},{"url":"/b"},{"url":"/c"}]}"#, (2, 3)),
            (b"<batch/>", (0, 1)),
        ] {
            assert_eq!(failures_in(batch, reply), Some(expected));
        }
        assert_eq!(failures_in(b"{}", b"[]"), None);
    }

    #[test]
    fn an_item_without_a_status_has_failed() {
        let item = Item::new(1, Members::new()).unwrap();
        for status in [None, Some(302), Some(200)] {
            assert!(ItemResult::without_reply(item.clone(), 1, status, "x").has_failed(), "{status:?}");
        }
        for (result, failed) in [(r#"{"status":"200"}"#, false), (r#"{"status":399}"#, false), ("{}", true)] {
            assert_eq!(ItemResult::new(item.clone(), 1, members(result)).has_failed(), failed, "{result}");
        }
    }
}
