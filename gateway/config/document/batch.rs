//! `batch`: the endpoints that take batches, and what a batch may cost there.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batch::BatchLimits;
use crate::config::yaml::quantity::{ByteSize, TimeLimit};
use crate::config::yaml::wrappers::At;

/// A batch endpoint: POST sends a batch, GET tells its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::config) struct BatchDocument {
    /// Its exact path.
    #[schemars(example = &"/batch")]
    pub(in crate::config) path: At<String>,
    /// Whose conventions it keeps, so that clients made for another batch service work unchanged.
    pub(in crate::config) dialect: DialectDocument,
    /// Items in one batch.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) max_items: NonZeroUsize,
    /// Items of one NDJSON batch that is answered as NDJSON; it counts against this instead of `max_items`.
    #[schemars(range(max = 1_000_000_000))]
    pub(in crate::config) max_stream_items: NonZeroUsize,
    /// The batch's body, before and after content decoding. Of an NDJSON stream: one line.
    pub(in crate::config) max_body: ByteSize,
    /// Items of one batch under way at once.
    #[schemars(range(max = 65536))]
    pub(in crate::config) concurrency: NonZeroUsize,
    /// From the batch's last byte in to the reply's first byte out; what is not done by then ends in 504.
    /// Of an NDJSON stream: for each item, from its line.
    pub(in crate::config) deadline: At<TimeLimit>,
    /// Whether items run side by side or one by one.
    pub(in crate::config) order: OrderDocument,
    /// The reply's status once a batch was accepted: 207, or 200 or 202 for clients that insist. Absent: 207,
    /// and 200 in other dialects than batchgate's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", extend("enum" = [207, 200, 202]))]
    pub(in crate::config) reply_status: Option<At<u16>>,
    /// The only fields of the batch that its items inherit. Absent: all but those that describe the batch
    /// itself, and none in the dialect `tyk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub(in crate::config) inherit: Option<Vec<At<String>>>,
    /// Nesting of JSON values or XML elements.
    #[schemars(range(max = 128))]
    pub(in crate::config) max_depth: NonZeroUsize,
    /// One item's id.
    pub(in crate::config) max_id: ByteSize,
    /// One item's url.
    pub(in crate::config) max_url: ByteSize,
    /// Header fields of one item.
    #[schemars(range(max = 1024))]
    pub(in crate::config) max_headers: NonZeroUsize,
    /// One item's header fields, names and values together.
    pub(in crate::config) max_header_bytes: ByteSize,
    /// The body of one item's reply.
    pub(in crate::config) max_item_reply: At<ByteSize>,
    /// The bodies of all items' replies together.
    pub(in crate::config) max_reply: ByteSize,
}

/// Whose conventions a batch endpoint keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum DialectDocument {
    /// The gateway's own: every format, status 207.
    #[default]
    Batchgate,
    /// OData 4.01: JSON and multipart, status 200, multipart in order and up to the first error.
    Odata,
    /// Microsoft Graph: JSON, status 200.
    Graph,
    /// APISIX's batch-requests plugin: a `pipeline`, answered by an array.
    Apisix,
    /// Tyk's batch endpoint: `requests` with `relative_url`, answered by an array.
    Tyk,
}

/// In which order items run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OrderDocument {
    /// Side by side.
    #[default]
    Parallel,
    /// One by one, each after the one before has ended.
    Sequential,
}

impl Default for BatchDocument {
    fn default() -> Self {
        let limits = BatchLimits::default();
        let number = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            path: "/batch".to_owned().into(),
            dialect: DialectDocument::Batchgate,
            max_items: number(limits.max_items),
            max_stream_items: number(limits.max_stream_items),
            max_body: ByteSize(limits.max_body),
            concurrency: number(32),
            deadline: TimeLimit(Duration::from_secs(30)).into(),
            order: OrderDocument::Parallel,
            reply_status: None,
            inherit: None,
            max_depth: number(limits.max_depth),
            max_id: ByteSize(limits.max_id),
            max_url: ByteSize(limits.max_url),
            max_headers: number(limits.max_headers),
            max_header_bytes: ByteSize(limits.max_header_bytes),
            max_item_reply: ByteSize(limits.max_item_reply).into(),
            max_reply: ByteSize(limits.max_reply),
        }
    }
}

/// One endpoint at `/batch`.
pub(in crate::config) fn default_batch() -> Vec<At<BatchDocument>> {
    vec![BatchDocument::default().into()]
}
