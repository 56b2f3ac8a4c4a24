//! `log.access`: the log of requests, batches and items, which has a form, a destination and a level of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::words;

/// The access log: lines of requests, batches and items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogSettings {
    /// Which lines are written. Absent: `requests`, and none if `log.level` leaves out lines of level `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AccessLevel")]
    pub level: Option<AccessLevel>,
    /// How a line looks. Absent: as `log.format` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AccessFormat")]
    pub format: Option<AccessFormat>,
    /// Where lines go: `stderr`, `stdout` or a file. A file that was renamed or removed is opened anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"access.log")]
    pub file: Option<String>,
    /// The fields of a line, in this order. Absent: all. Lines of the form `combined` have fields of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<AccessField>", length(min = 1))]
    pub fields: Option<Vec<AccessField>>,
}

/// Which lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLevel {
    /// None.
    Off,
    /// Those of what failed or was slow: requests, batches with such items, and these items.
    Failed,
    /// One for each request and each batch, and for items that failed or were slow.
    Requests,
    /// One for each request, each batch and each item.
    Items,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// One JSON object a line.
    Json,
    /// `name=value` pairs (logfmt).
    Text,
    /// The combined form of Apache and nginx, without queries. Items have no lines.
    Combined,
}

words! {
    /// A field of a line.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum AccessField {
        /// When the line was written.
        Timestamp = "timestamp",
        /// Always `INFO`.
        Level = "level",
        /// `request`, `batch` or `item`.
        Kind = "kind",
        /// The request's id, in every line, in the reply and in every call.
        RequestId = "request_id",
        /// The trace that the client began, or the gateway if it records the request.
        TraceId = "trace_id",
        /// In that trace: the gateway's own span; of an item the span of its last attempt.
        SpanId = "span_id",
        /// The client's address.
        Client = "client",
        /// The name that the client has proved.
        ClientName = "client_name",
        /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
        Protocol = "protocol",
        /// What the client called the gateway: Host, or `:authority`.
        Host = "host",
        /// The method; one that is not well known is `_OTHER`.
        Method = "method",
        /// The path without the query, at most 1024 characters.
        Path = "path",
        /// User-Agent, at most 256 characters.
        Agent = "agent",
        /// Referer without the query, at most 1024 characters.
        Referer = "referer",
        /// The path of the batch endpoint or bulk route.
        Endpoint = "endpoint",
        /// The format of the batch.
        Format = "format",
        /// The item's position in its batch, from 1.
        Position = "position",
        /// The item's id, at most 64 characters.
        Id = "id",
        /// The route's name.
        Route = "route",
        /// The upstream's name.
        Upstream = "upstream",
        /// The target of the last attempt, as it is configured; without one, the last that could not be connected to.
        Target = "target",
        /// How the batch or the item ended, as in metrics.
        Outcome = "outcome",
        /// Why the gateway made the status, or why the reply broke off.
        Reason = "reason",
        /// The limit that was the reason.
        Limit = "limit",
        /// The final status; 0 if none was sent.
        Status = "status",
        /// The status of a gRPC call.
        GrpcStatus = "grpc_status",
        /// Who ended an exchange that stayed open.
        Ended = "ended",
        /// How many items the batch had.
        Items = "items",
        /// How many of them failed.
        Failed = "failed",
        /// How many of them were slow.
        Slow = "slow",
        /// How many of them shared the call of another.
        Coalesced = "coalesced",
        /// How many items of groups ran one by one.
        Independent = "independent",
        /// How many items were undone because their group failed.
        Undone = "undone",
        /// How many could not be undone.
        UndoFailed = "undo_failed",
        /// How many items failed or were slow and have no line.
        Omitted = "omitted",
        /// How often it was sent.
        Attempts = "attempts",
        /// The targets that could not be connected to, each with the reason and the milliseconds that it took; at most 8.
        NotConnected = "not_connected",
        /// Bytes of the request's body.
        BytesIn = "bytes_in",
        /// Bytes of the reply's body.
        BytesOut = "bytes_out",
        /// Milliseconds until it had its turn.
        QueuedMs = "queued_ms",
        /// Milliseconds until a connection for the last attempt was open, if one had to be opened, or until none was to be had.
        ConnectMs = "connect_ms",
        /// Milliseconds from the first byte of the last attempt to the head of its reply.
        FirstByteMs = "first_byte_ms",
        /// Milliseconds: of a request and a batch from its head to its end, of an item from its turn to its end.
        DurationMs = "duration_ms",
    }
}

impl AccessLogSettings {
    /// The path of the file, if lines go to one.
    pub(super) fn path_mut(&mut self) -> Option<&mut String> {
        self.file.as_mut().filter(|file| !matches!(file.as_str(), "stderr" | "stdout"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_configured_by_the_names_that_lines_have() {
        for field in AccessField::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.as_str());
        }
    }
}
