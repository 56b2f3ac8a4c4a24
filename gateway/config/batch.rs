//! `batch`: the endpoints that take batches, and what a batch may cost there.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth_way::Access;
use super::headers::{HeadersDocument, Toward};
use super::resolver::{Resolved, Resolver, Seen, all, canonical};
use super::route::RouteDocument;
use super::stream_window::StreamWindowDocument;
use super::trace::TraceDocument;
use super::yaml::diagnostic::quoted;
use super::yaml::quantity::{ByteSize, TimeLimit};
use super::yaml::wrappers::At;
use crate::batch::{BatchLimits, Changesets, Groups};
use crate::dialect::Dialect;
use crate::format::Accept;
use crate::format::multipart::SetReply;
use crate::header::changes::HeaderChanges;
use crate::route::CanonicalPath;

/// What is encoded in a name or value of a query: all but the unreserved characters (RFC 3986 §2.3).
const QUERY_TEXT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A batch endpoint: POST sends a batch, GET returns its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::config) struct BatchDocument {
    /// Its path. With one slash more or less at the end (`/batch/`) it is the same endpoint, unless another endpoint or a route has
    /// that path.
    #[schemars(example = &"/batch")]
    pub(in crate::config) path: At<String>,
    /// Whose conventions it keeps, so that clients made for another batch service work unchanged.
    pub(in crate::config) dialect: Dialect,
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
    /// From the batch's last byte in until its items have ended; those that are not done by then end in 504.
    /// Of an NDJSON stream: for each item, from its line.
    pub(in crate::config) deadline: At<TimeLimit>,
    /// Whether items run side by side or one by one.
    pub(in crate::config) order: ItemOrder,
    /// Whether items go on to be started after one has failed, if the client does not say. Absent: as the dialect's own
    /// service does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OnError")]
    pub(in crate::config) on_error: Option<OnError>,
    /// What becomes of groups of several items: atomicity groups and change sets.
    pub(in crate::config) groups: Groups,
    /// How change sets are answered in multipart.
    pub(in crate::config) changesets: Changesets,
    /// The reply's status once a batch was accepted: 207, or 200 or 202 for clients that insist. Absent: 207,
    /// and 200 in other dialects than batchgate's own.
    #[schemars(extend("enum" = [207, 200, 202]))]
    pub(in crate::config) reply_status: Option<At<u16>>,
    /// Whether a reply's format follows Accept, or is always that of the batch.
    pub(in crate::config) reply_format: ReplyFormat,
    /// When a reply leaves.
    pub(in crate::config) reply: ReplyMode,
    /// Whether replies are compressed for clients that accept gzip, br or zstd.
    pub(in crate::config) compress: bool,
    /// Fields that its own replies get and lose; not the results of items.
    pub(in crate::config) response_headers: HeadersDocument,
    /// Parameters that the query of a request must have to be for this endpoint, such as `comp: batch`. With them, the
    /// endpoint also takes such requests below its path; all requests without them go to the routes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::config) query: BTreeMap<String, String>,
    /// Where requests with other methods than POST go.
    pub(in crate::config) other_methods: OtherMethods,
    /// The only fields of the batch that its items inherit. Absent: all but those that describe the batch
    /// itself, and none in the dialect `tyk`.
    pub(in crate::config) inherit: Option<Vec<At<String>>>,
    /// Whose batches it takes, if there is an `auth`: those of only one of its ways, or of a name in `auth.named`. Absent: of all
    /// ways of `auth` itself.
    #[schemars(example = &"basic")]
    pub(in crate::config) auth: Option<At<String>>,
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
    /// The earlier lines that a line of an NDJSON stream can depend on and refer to.
    pub(in crate::config) stream_window: StreamWindowDocument,
    /// Which items are kept and logged although they succeeded.
    pub(in crate::config) trace: TraceDocument,
    /// Whether replies say where the time went, in Server-Timing.
    pub(in crate::config) server_timing: bool,
}

/// In which order items run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemOrder {
    /// Side by side.
    #[default]
    Parallel,
    /// One by one, each after the one before has ended.
    Sequential,
}

/// What happens after an item ended at 400 or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The other items are started as if nothing had happened.
    Continue,
    /// No further item is started.
    Stop,
}

/// How a reply's format is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFormat {
    /// By Accept, as far as the dialect heeds it; without Accept, it is the batch's own.
    #[default]
    Negotiated,
    /// Always the batch's own: for clients whose Accept is meant for the items.
    Same,
}

impl ReplyFormat {
    /// What a client accepts, as far as it is heeded.
    #[must_use]
    pub fn accept(self, request: &HeaderMap) -> Accept<'_> {
        match self {
            Self::Negotiated => Accept::from_headers(request),
            Self::Same => Accept::default(),
        }
    }
}

/// When a reply leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyMode {
    /// In the order of the request, while later items are under way; at once if the items are fast.
    #[default]
    Stream,
    /// At once, after the last item: for clients that need its length, or the Retry-After of every item in its head.
    Whole,
}

/// Where requests to a batch endpoint go that are not POST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtherMethods {
    /// GET returns the endpoint's limits; all others are refused with 405.
    #[default]
    Refuse,
    /// To the route that has the endpoint's path.
    Route,
}

impl Default for BatchDocument {
    fn default() -> Self {
        let limits = BatchLimits::default();
        let number = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            path: "/batch".to_owned().into(),
            dialect: Dialect::default(),
            max_items: number(limits.max_items),
            max_stream_items: number(limits.max_stream_items),
            max_body: ByteSize(limits.max_body),
            concurrency: number(32),
            deadline: TimeLimit(Duration::from_secs(30)).into(),
            order: ItemOrder::Parallel,
            on_error: None,
            groups: Groups::default(),
            changesets: Changesets::default(),
            reply_format: ReplyFormat::default(),
            reply: ReplyMode::default(),
            compress: false,
            response_headers: HeadersDocument::default(),
            query: BTreeMap::new(),
            other_methods: OtherMethods::default(),
            reply_status: None,
            inherit: None,
            auth: None,
            max_depth: number(limits.max_depth),
            max_id: ByteSize(limits.max_id),
            max_url: ByteSize(limits.max_url),
            max_headers: number(limits.max_headers),
            max_header_bytes: ByteSize(limits.max_header_bytes),
            max_item_reply: ByteSize(limits.max_item_reply).into(),
            max_reply: ByteSize(limits.max_reply),
            stream_window: StreamWindowDocument::default(),
            trace: TraceDocument::default(),
            server_timing: false,
        }
    }
}

/// One endpoint at `/batch`.
pub(in crate::config) fn default_batch() -> Vec<At<BatchDocument>> {
    vec![BatchDocument::default().into()]
}

/// A batch endpoint: POST sends a batch, GET returns its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEndpoint {
    /// Its exact path; its label in metrics.
    pub path: CanonicalPath,
    /// Whose conventions it keeps.
    pub dialect: Dialect,
    /// What a batch may cost here.
    pub limits: BatchLimits,
    /// Items of one batch under way at once.
    pub concurrency: NonZeroUsize,
    /// From the batch's last byte in until its items have ended.
    pub deadline: Duration,
    /// Whether items run side by side or one by one.
    pub order: ItemOrder,
    /// What happens after an item failed; `None`: what the dialect says.
    pub on_error: Option<OnError>,
    /// What becomes of groups of several items, and how change sets are answered.
    pub sets: SetReply,
    /// The reply's status once a batch was accepted: 207, 200 or 202.
    pub reply_status: StatusCode,
    /// Whether a reply's format follows Accept.
    pub reply_format: ReplyFormat,
    /// When a reply leaves.
    pub reply: ReplyMode,
    /// Whether replies are compressed for clients that accept it.
    pub compress: bool,
    /// The fields that its own replies get and lose.
    pub response_headers: Option<Arc<HeaderChanges>>,
    /// Parameters that a request's query must have to be for this endpoint.
    pub query: BTreeMap<String, String>,
    /// Where requests with other methods than POST go.
    pub other_methods: OtherMethods,
    /// The outer fields that items inherit; `None`: all but those of protocol §1.
    pub inherit: Option<Vec<HeaderName>>,
    /// Whose batches it takes; `None`: those of all ways of `auth` itself.
    pub auth: Option<Access>,
    /// From when on an item is slow; `None`: as the log says.
    pub slow: Option<Duration>,
    /// Whether replies say where the time went.
    pub server_timing: bool,
}

impl BatchEndpoint {
    /// Whether a batch's query has parameters that neither choose the endpoint nor reach the items.
    #[must_use]
    pub fn ignores(&self, dialect: Dialect, query: &str) -> bool {
        let parameters = query.split('&').filter(|parameter| !parameter.is_empty()).count();
        parameters > self.query.len() && !dialect.hands_down_query()
    }

    /// Where a batch for it is sent: its path, and the query that such a request must have.
    #[must_use]
    pub fn url(&self) -> String {
        let encoded = |text| utf8_percent_encode(text, QUERY_TEXT).to_string();
        let parameters =
            self.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let query = parameters.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{query}", self.path.as_str())
    }

    /// Whether requests to its path with this query are for it.
    #[must_use]
    pub fn has_query(&self, query: &str) -> bool {
        let same = |text: &str, wanted: &String| percent_decode_str(text).eq(wanted.bytes());
        let has = |(name, value): (&String, &String)| {
            let mut parameters = query.split('&').map(|text| text.split_once('=').unwrap_or((text, "")));
            parameters.any(|(other, found)| same(other, name) && same(found, value))
        };
        self.query.iter().all(has)
    }
}

impl Resolver<'_> {
    pub(super) fn endpoints(&mut self, documents: &[At<BatchDocument>]) -> Resolved<Vec<BatchEndpoint>> {
        let mut paths = Seen::new();
        all(documents.iter().map(|document| {
            self.query_in_path(&document.value.path)?;
            let endpoint = self.endpoint(&document.value)?;
            let message = |path| format!("two batch endpoints have the path {path}");
            self.only_once(&mut paths, endpoint.path.clone(), &document.value.path, message)?;
            Ok(endpoint)
        }))
    }

    /// Refuses a path with a query, which has a key of its own. What is in a query may be secret and is not repeated.
    fn query_in_path(&mut self, path: &At<String>) -> Resolved<()> {
        let Some((before, _)) = path.value.split_once('?') else { return Ok(()) };
        let message = format!("the path {} has a query", path.shown());
        let only_path = if path.from_environment {
            String::new()
        } else {
            format!("write {}, and ", quoted(&format!("path: {before}")))
        };
        let help =
            format!("{only_path}list the parameters under `query`, for example `query: {{ comp: batch }}`");
        self.refuse(path.span, message, help)
    }

    pub(super) fn endpoint(&mut self, document: &BatchDocument) -> Resolved<BatchEndpoint> {
        let path = self.path(&document.path);
        let dialect = document.dialect;
        let reply_status = self.reply_status(document.reply_status.as_ref(), dialect);
        let inherit = self.inherit(document.inherit.as_deref(), dialect);
        let response_headers = self.changes(&document.response_headers, Toward::Client);
        let limits = self.batch_limits(document);
        Ok(BatchEndpoint {
            path: path?,
            dialect,
            limits,
            concurrency: document.concurrency,
            deadline: document.deadline.value.0,
            order: document.order,
            on_error: document.on_error,
            sets: SetReply { groups: document.groups, changesets: document.changesets },
            reply_status: reply_status?,
            reply_format: document.reply_format,
            reply: document.reply,
            compress: document.compress,
            response_headers: response_headers?.map(Arc::new),
            query: document.query.clone(),
            other_methods: document.other_methods,
            inherit: inherit?,
            auth: document.auth.as_ref().map(|auth| Access::of(&auth.value)),
            slow: document.trace.slow,
            server_timing: document.server_timing,
        })
    }

    fn reply_status(&mut self, status: Option<&At<u16>>, dialect: Dialect) -> Resolved<StatusCode> {
        let Some(status) = status else {
            return Ok(dialect.reply_status());
        };
        match status.value {
            200 => Ok(StatusCode::OK),
            202 => Ok(StatusCode::ACCEPTED),
            207 => Ok(StatusCode::MULTI_STATUS),
            other => {
                let message = format!("`{other}` is not a status of an accepted batch");
                self.refuse(status.span, message, "write 207, 200 or 202")
            }
        }
    }

    /// `None`: all fields but those of the batch itself.
    fn inherit(
        &mut self,
        names: Option<&[At<String>]>,
        dialect: Dialect,
    ) -> Resolved<Option<Vec<HeaderName>>> {
        let Some(names) = names else { return Ok(dialect.inherit()) };
        all(names.iter().map(|name| self.header_name(name))).map(Some)
    }

    fn batch_limits(&mut self, document: &BatchDocument) -> BatchLimits {
        if document.max_item_reply.value.0 > document.max_reply.0 && document.max_item_reply.span.is_some() {
            self.warn(
                document.max_item_reply.span,
                "`max_item_reply` is more than `max_reply`, which it can never reach",
                "raise `max_reply`, or lower this",
            );
        }
        BatchLimits {
            max_items: document.max_items.get(),
            max_stream_items: document.max_stream_items.get(),
            max_body: document.max_body.0,
            max_depth: document.max_depth.get(),
            max_id: document.max_id.0,
            max_url: document.max_url.0,
            max_headers: document.max_headers.get(),
            max_header_bytes: document.max_header_bytes.0,
            max_item_reply: document.max_item_reply.value.0,
            max_reply: document.max_reply.0,
            stream_window: document.stream_window.window(),
        }
    }

    /// Refuses routes at exactly the path of a batch endpoint that takes every request there.
    pub(super) fn hidden_routes(&mut self, routes: &[At<RouteDocument>], batch: &[At<BatchDocument>]) {
        for route in routes {
            let path = &route.value.path;
            let Some(wanted) = canonical(path) else { continue };
            let hides = |endpoint: &BatchDocument| {
                endpoint.query.is_empty() && endpoint.other_methods == OtherMethods::Refuse
            };
            let mut hiding = batch.iter().filter(|endpoint| hides(&endpoint.value));
            let endpoint = hiding.find(|endpoint| canonical(&endpoint.value.path).as_ref() == Some(&wanted));
            if let Some(endpoint) = endpoint {
                let message = format!("the route {} is at a batch endpoint's path", path.shown());
                let help = match endpoint.value.path.span {
                    Some(span) => format!(
                        "the endpoint is on line {}; move one of them, or give the endpoint `query` or `other_methods: route`",
                        span.line
                    ),
                    None => "`/batch` is the endpoint by default; set `batch` to move it".to_owned(),
                };
                let _: Resolved<()> = self.refuse(path.span, message, help);
            }
        }
    }
}

impl BatchDocument {
    /// Fills in what depends on the dialect.
    pub(super) fn prepare_to_show(&mut self) {
        let dialect = self.dialect;
        self.reply_status.get_or_insert_with(|| dialect.reply_status().as_u16().into());
        if self.inherit.is_none() {
            let names =
                |names: Vec<HeaderName>| names.iter().map(|name| name.as_str().to_owned().into()).collect();
            self.inherit = dialect.inherit().map(names);
        }
    }
}
