//! `bulk`: paths that take a collection of data, each record of which becomes an item.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BatchDocument, OrderDocument};
use crate::config::yaml::quantity::{ByteSize, TimeLimit};
use crate::config::yaml::wrappers::At;

/// A bulk route: a request with one of its methods at its path brings records, and each becomes a
/// call to the url that the template makes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path", "methods", "each"]))]
pub(in crate::config) struct BulkDocument {
    /// Its exact path; requests with other methods, and a GET or DELETE without the template's variable
    /// in its query, are proxied as ever.
    #[schemars(example = &"/orders")]
    pub(in crate::config) path: At<String>,
    /// The methods that take records: GET and DELETE in a query parameter, all others in the body.
    #[schemars(length(min = 1), extend("examples" = [["PATCH", "DELETE"]]))]
    pub(in crate::config) methods: Vec<At<String>>,
    /// The url of each record, a template with variables that the record has, `/orders/{id}`. It has to lie
    /// under a route that allows the methods.
    #[schemars(example = &"/orders/{id}")]
    pub(in crate::config) each: At<String>,
    /// Records in one request.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) max_items: NonZeroUsize,
    /// The request's body, before and after content decoding, and the JSON that is made of CSV.
    pub(in crate::config) max_body: ByteSize,
    /// Records of one request under way at once.
    #[schemars(range(max = 65536))]
    pub(in crate::config) concurrency: NonZeroUsize,
    /// From the request's last byte in to the reply's first byte out; what is not done by then ends in 504.
    pub(in crate::config) deadline: At<TimeLimit>,
    /// Whether records run side by side or one by one.
    pub(in crate::config) order: OrderDocument,
    /// The reply's status once the records were accepted: 207, or 200 or 202 for clients that insist. Absent: 207.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", extend("enum" = [207, 200, 202]))]
    pub(in crate::config) reply_status: Option<At<u16>>,
    /// The only fields of the request that its items inherit. Absent: all but those that describe the request itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub(in crate::config) inherit: Option<Vec<At<String>>>,
    /// Nesting of JSON values or XML elements.
    #[schemars(range(max = 128))]
    pub(in crate::config) max_depth: NonZeroUsize,
    /// One record's url.
    pub(in crate::config) max_url: ByteSize,
    /// The body of one item's reply.
    pub(in crate::config) max_item_reply: At<ByteSize>,
    /// The bodies of all items' replies together.
    pub(in crate::config) max_reply: ByteSize,
}

impl Default for BulkDocument {
    fn default() -> Self {
        let path = "/orders".to_owned().into();
        let each = "/orders/{id}".to_owned().into();
        Self::of(BatchDocument { path, ..BatchDocument::default() }, Vec::new(), each)
    }
}

impl BulkDocument {
    /// What a batch endpoint would be with the same keys, and the two that it lacks.
    pub(in crate::config) fn of(batch: BatchDocument, methods: Vec<At<String>>, each: At<String>) -> Self {
        Self {
            path: batch.path,
            methods,
            each,
            max_items: batch.max_items,
            max_body: batch.max_body,
            concurrency: batch.concurrency,
            deadline: batch.deadline,
            order: batch.order,
            reply_status: batch.reply_status,
            inherit: batch.inherit,
            max_depth: batch.max_depth,
            max_url: batch.max_url,
            max_item_reply: batch.max_item_reply,
            max_reply: batch.max_reply,
        }
    }

    /// The batch endpoint that it would be.
    pub(in crate::config) fn as_batch(&self) -> BatchDocument {
        BatchDocument {
            path: self.path.clone(),
            max_items: self.max_items,
            max_body: self.max_body,
            concurrency: self.concurrency,
            deadline: self.deadline.clone(),
            order: self.order,
            reply_status: self.reply_status.clone(),
            inherit: self.inherit.clone(),
            max_depth: self.max_depth,
            max_url: self.max_url,
            max_item_reply: self.max_item_reply.clone(),
            max_reply: self.max_reply,
            ..BatchDocument::default()
        }
    }
}
