//! `upstreams`: where a service runs and how it is called.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::{BreakerDocument, HealthCheckDocument, RetryDocument};
use crate::config::yaml::quantity::{ByteSize, Delay, Percent, Rate, TimeLimit, TimeLimitOrOff};
use crate::config::yaml::schema::allow_short_form;
use crate::config::yaml::wrappers::{At, Named};

/// A service that knows one resource at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UpstreamDocument {
    /// The addresses it runs at; calls are shared among them.
    #[schemars(length(min = 1), extend("examples" = [["http://10.0.0.1:9001"]]))]
    pub(in crate::config) targets: Vec<At<TargetDocument>>,

    /// How the targets share the calls.
    #[serde(default)]
    pub(in crate::config) balance: BalanceDocument,

    /// With `consistent_hash`, the field of the call whose value chooses the target; a call without it, or all where
    /// this is absent, goes by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(in crate::config) hash_header: Option<At<String>>,

    /// How long a target that is back takes to get its whole share of the calls; `0s`: none.
    #[serde(default = "default_slow_start")]
    pub(in crate::config) slow_start: Delay,

    /// Calls under way at once, of all batches and of requests that are none. Over HTTP/1.1 each has a
    /// connection.
    #[serde(default = "default_concurrency")]
    #[schemars(range(max = 65536))]
    pub(in crate::config) concurrency: NonZeroUsize,

    /// Batches and requests that may wait at once for their turn; more are turned away (503).
    #[serde(default = "default_queue")]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) queue: NonZeroUsize,

    /// The most of `concurrency`, `queue` and `upgraded` that one client may hold, so that another finds room at
    /// once; rounded down, at least 1. `100%`: all of them.
    #[serde(default = "default_client_share")]
    #[schemars(with = "Percent")]
    pub(in crate::config) client_share: At<Percent>,

    /// Upgraded connections (WebSocket) and streaming exchanges that may be open at once. They are not counted
    /// in `concurrency`. More upgrades and event streams are refused (503); other streams then stay in `concurrency`.
    #[serde(default = "default_upgraded")]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) upgraded: NonZeroUsize,

    /// How fast calls may start. Absent: as fast as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RateDocument")]
    pub(in crate::config) rate: Option<RateDocument>,

    /// Time limits of a call.
    #[serde(default)]
    pub(in crate::config) timeout: TimeoutDocument,

    /// The name of a header field in which each item's call says how many milliseconds are left of its
    /// time. Items can't set it. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"X-Request-Timeout-Ms")]
    pub(in crate::config) deadline_header: Option<At<String>>,

    /// When a call is made once more.
    #[serde(default)]
    pub(in crate::config) retry: At<RetryDocument>,

    /// When a target that keeps failing gets no calls for a while.
    #[serde(default)]
    pub(in crate::config) breaker: BreakerDocument,

    /// How each target is asked whether it is well; absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HealthCheckDocument")]
    pub(in crate::config) health_check: Option<HealthCheckDocument>,

    /// How calls share connections of HTTP/2.
    #[serde(default)]
    pub(in crate::config) http2: At<Http2Document>,

    /// Header fields of the calls.
    #[serde(default)]
    pub(in crate::config) headers: HeadersDocument,

    /// The Host of the calls: `target` (the target's own), `preserve` (the client's), or a name.
    #[serde(default = "default_host")]
    pub(in crate::config) host: At<String>,

    /// How the certificates of `https` and `h2` targets are checked.
    #[serde(default)]
    pub(in crate::config) tls: At<UpstreamTlsDocument>,
}

/// One target; without a weight, the url alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_short_form)]
pub(in crate::config) struct TargetDocument {
    /// `http://`, `https://`, `h2c://` (HTTP/2 without TLS) or `h2://` (HTTP/2 with TLS), a host, and a
    /// port where it is not 80 or 443.
    #[schemars(example = &"http://10.0.0.1:9001")]
    pub(in crate::config) url: At<String>,

    /// Its share of the calls, relative to the other targets'.
    #[serde(default = "default_weight")]
    #[schemars(range(max = 1000))]
    pub(in crate::config) weight: NonZeroUsize,
}

/// How fast calls may start; without a burst, the limit alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_limit_alone)]
pub(in crate::config) struct RateDocument {
    /// Calls a second (`50/s`), a minute or an hour, one evenly after the other.
    #[schemars(example = &"50/s")]
    pub(in crate::config) limit: Rate,

    /// Calls that may start at once after a pause. Absent: what the limit lets through in 10 ms, at least
    /// 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NonZeroUsize", range(max = 65536))]
    pub(in crate::config) burst: Option<NonZeroUsize>,
}

/// How targets share the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum BalanceDocument {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// To the target with the fewest calls under way, by weight.
    LeastBusy,
    /// The same target for the same path or field (`hash_header`), by weight.
    ConsistentHash,
}

/// Time limits of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct TimeoutDocument {
    /// To open a connection, TLS handshake included.
    pub(in crate::config) connect: At<TimeLimit>,
    /// From the start of the call to the last byte of its reply; of a request that is not a batch, the time in which the
    /// service sends no byte.
    pub(in crate::config) item: At<TimeLimit>,
    /// Of a request that is not a batch, from its turn to the last byte of its reply, retries included; where it is not
    /// written, at least `item`. Upgrades, event streams and gRPC calls have no such limit; another reply that streams
    /// has one if it is set to something other than the default.
    pub(in crate::config) request: At<TimeLimit>,
    /// Of an upgraded connection or a streaming exchange: the time in which neither side sends a byte. Of a gRPC call
    /// also the time until its reply begins. `off`: no limit.
    pub(in crate::config) idle: TimeLimitOrOff,
}

impl Default for TimeoutDocument {
    fn default() -> Self {
        Self {
            connect: TimeLimit(Duration::from_secs(1)).into(),
            item: TimeLimit(Duration::from_secs(5)).into(),
            request: TimeLimit(Duration::from_secs(600)).into(),
            idle: TimeLimitOrOff(Some(Duration::from_secs(300))),
        }
    }
}

/// How calls share connections of HTTP/2. Unread bytes of replies take at most `stream_window` for each call under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Http2Document {
    /// Calls that share one connection; for more there are more connections. A target may want fewer.
    #[schemars(range(max = 1000))]
    pub(in crate::config) streams: NonZeroUsize,
    /// Bytes of one reply that a target may send before they are read. The connection has room for this many of each
    /// stream, so a reply that nobody reads never stops another. Larger: faster downloads from a target far away.
    pub(in crate::config) stream_window: At<ByteSize>,
}

impl Default for Http2Document {
    fn default() -> Self {
        Self { streams: default_streams(), stream_window: ByteSize(256 << 10).into() }
    }
}

/// Header fields that calls get and lose; first they are removed, then set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct HeadersDocument {
    /// Fields to set, in place of what the client sent.
    #[schemars(extend("examples" = [{ "X-Tenant": "acme" }]))]
    pub(in crate::config) set: Named<At<HeaderValueDocument>>,
    /// Names of fields to remove.
    #[schemars(extend("examples" = [["Cookie"]]))]
    pub(in crate::config) remove: Vec<At<String>>,
}

/// A field's value, or the file that holds it. Read as a mapping whose first key may stand alone, like
/// the other short forms; the schema has only the short form of `text`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderValueDocument {
    #[serde(default)]
    pub(in crate::config) text: Option<At<String>>,
    #[serde(default)]
    pub(in crate::config) file: Option<At<String>>,
}

impl Serialize for HeaderValueDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.file {
            Some(file) => BTreeMap::from([("file", file)]).serialize(serializer),
            None => self.text.serialize(serializer),
        }
    }
}

impl JsonSchema for HeaderValueDocument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A field's value, or the file that holds it: read once, trimmed, never shown.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "file": {
                            "description": "The file's path, relative to the configuration file.",
                            "type": "string",
                        },
                    },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// How a target's certificate is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamTlsDocument {
    /// A PEM file of certificates to trust instead of the system's; relative to the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(in crate::config) ca: Option<At<String>>,
    /// Whether the certificate is checked at all.
    pub(in crate::config) verify: At<bool>,
}

impl Default for UpstreamTlsDocument {
    fn default() -> Self {
        Self { ca: None, verify: true.into() }
    }
}

const fn default_concurrency() -> NonZeroUsize {
    // A `NonZero` has no literal; the second arm never applies.
    match NonZeroUsize::new(64) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

const fn default_streams() -> NonZeroUsize {
    match NonZeroUsize::new(100) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

const fn default_weight() -> NonZeroUsize {
    NonZeroUsize::MIN
}

const fn default_slow_start() -> Delay {
    Delay(Duration::ZERO)
}

fn default_host() -> At<String> {
    "target".to_owned().into()
}

const fn default_queue() -> NonZeroUsize {
    match NonZeroUsize::new(1000) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

fn default_client_share() -> At<Percent> {
    Percent(75).into()
}

const fn default_upgraded() -> NonZeroUsize {
    match NonZeroUsize::new(1000) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

fn with_limit_alone(schema: &mut Schema) {
    allow_short_form(schema, "limit");
}

fn with_short_form(schema: &mut Schema) {
    allow_short_form(schema, "url");
}
