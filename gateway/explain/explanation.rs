//! The explanation of a batch. It serialises to JSON; `text` prints it for people.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::headers::ShownHeaders;
use super::limits::UpstreamLimits;

/// What would happen to a batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub(super) endpoint: String,
    pub(super) dialect: &'static str,
    pub(super) format: &'static str,
    /// What becomes of groups of several items.
    pub(super) groups: &'static str,
    pub(super) order: &'static str,
    pub(super) continue_on_error: bool,
    pub(super) concurrency: usize,
    pub(super) deadline_milliseconds: u64,
    /// The methods that a client can use to authenticate; empty if it need not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) auth: Vec<String>,
    /// Members of the batch that the gateway does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ignored_members: Vec<String>,
    /// Whether the batch's own url has a query, which does not reach the items.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) query_is_ignored: bool,
    /// Why the batch is refused, although each of its items has an explanation of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    pub(super) items: Vec<ExplainedItem>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainedItem {
    pub(super) position: usize,
    pub(super) id: String,
    pub(super) method: String,
    /// As the client wrote it.
    pub(super) url: String,
    /// The same resolved against the endpoint's folder, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolved_url: Option<String>,
    /// The characters of the url that are percent-encoded before it is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) encoded: Vec<String>,
    /// The positions of the items that must end first. They must also succeed, unless there is a condition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<usize>,
    /// The position of the item of its group that must end before it, whether that succeeds or fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) follows: Option<usize>,
    /// What undoes it if its group fails; `nothing` if it changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) undo: Option<String>,
    /// The condition that must hold then.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<String>,
    /// Why the item meets that route and no other: the host, path and conditions that it fits. Empty for a route that only has a
    /// path without variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) chosen_by: Vec<String>,
    /// The only way, or the name of ways, by which the client must have come in; of others, the item is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<String>,
    /// The rate limits that it counts towards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rate_limits: Vec<String>,
    /// Members of the item that the gateway does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ignored_members: Vec<String>,
    /// Members that are taken for others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) taken_for: BTreeMap<&'static str, &'static str>,
    /// Fields of the item that its call does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dropped_headers: Vec<&'static str>,
    #[serde(flatten)]
    pub(super) fate: Fate,
}

/// What would happen to an item. The key in JSON is the variant's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Fate {
    Call(ExplainedCall),
    /// The position of the item whose call it shares.
    SharesCallOf(usize),
    Respond {
        status: u16,
        /// Where a redirect leads.
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    Rejected(ExplainedRejection),
    /// Its destination is known only once the result is there that its url refers to.
    Later,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainedCall {
    pub(super) upstream: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<String>,
    pub(super) path: String,
    pub(super) headers: ShownHeaders,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body_bytes: Option<usize>,
    pub(super) timeout_milliseconds: u64,
    #[serde(flatten)]
    pub(super) limits: UpstreamLimits,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ExplainedRejection {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Explanation {
    /// The explanation as a JSON document.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The JSON Schema of [`Self::to_json`], as far as programs rely on it.
    #[must_use]
    pub fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["endpoint", "dialect", "format", "items"],
            "properties": {
                "endpoint": { "type": "string" },
                "dialect": { "type": "string" },
                "format": { "type": "string" },
                "items": { "type": "array", "items": { "type": "object", "required": ["position", "id", "method", "url"] } },
            },
        })
    }

    /// The number of items that the gateway would reject.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.items.iter().filter(|item| matches!(item.fate, Fate::Rejected(_))).count()
    }
}
