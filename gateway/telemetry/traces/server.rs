//! The span of a request or a batch: what the gateway did as a server (OpenTelemetry's semantic conventions for HTTP servers).

use std::net::IpAddr;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{StatusCode, Version};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode as SpanStatus};

use super::attributes::Attributes;
use crate::route::{method_label, split_port};
use crate::telemetry::item_record::{cut, cut_bytes, path_of};
use crate::telemetry::record::Sender;

/// Characters of a User-Agent.
const MAX_AGENT: usize = 256;

/// What a request or a batch was, beyond its head.
pub(super) struct Served<'served> {
    /// The path of its route or endpoint, or nothing.
    pub(super) route: &'served str,
    /// The status of its reply; `None` if none was sent.
    pub(super) status: Option<StatusCode>,
    /// Why the gateway answered, or why there is no complete reply.
    pub(super) reason: Option<&'static str>,
    /// How long it took.
    pub(super) took: Duration,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Served<'_> {
    /// The span, for a place in a trace that `placed` has; `attributes` are what else there is to say.
    pub(super) fn span(&self, sender: &Sender<'_>, attributes: Attributes, placed: Span) -> Span {
        let method = method_label(&sender.head.method);
        let name = if self.route.is_empty() { method.to_owned() } else { format!("{method} {}", self.route) };
        let error = self.error();
        Span {
            name,
            kind: SpanKind::Server.into(),
            attributes: self
                .attributes(sender, attributes)
                .optional_text("error.type", error.as_deref())
                .into(),
            status: error.map(|_| error_status()),
            ..placed
        }
    }

    /// Only what the server is to blame for is an error of its span: no reply, or one of 500 and above.
    fn error(&self) -> Option<String> {
        match self.status {
            Some(status) if !status.is_server_error() => None,
            Some(status) => Some(self.reason.map_or_else(|| status.as_str().to_owned(), str::to_owned)),
            None => Some(self.reason.unwrap_or("_OTHER").to_owned()),
        }
    }

    fn attributes(&self, sender: &Sender<'_>, attributes: Attributes) -> Attributes {
        let head = sender.head;
        let method = method_label(&head.method);
        let other = (method != head.method.as_str()).then(|| cut(head.method.as_str(), 32));
        let agent = head.headers.get(USER_AGENT).map(|agent| cut_bytes(agent.as_bytes(), MAX_AGENT));
        let (host, port) = host_and_port(sender.host);
        attributes
            .text("http.request.method", method)
            .optional_text("http.request.method_original", other)
            .text("url.scheme", sender.scheme)
            .text("url.path", &path_of(head.uri.path()))
            .text("http.route", self.route)
            .text("server.address", host)
            .optional_number("server.port", port)
            .optional_text("client.address", sender.client.parse::<IpAddr>().ok().map(|_| sender.client))
            .text("network.protocol.version", version(head.version))
            .optional_text("user_agent.original", agent.as_deref())
            .optional_number("http.response.status_code", self.status.map(|status| status.as_u16()))
            .number("http.request.body.size", self.bytes_in)
            .number("http.response.body.size", self.bytes_out)
            .text("batchgate.request_id", sender.request_id.as_str())
            .optional_text("batchgate.reason", self.reason)
    }
}

/// The status of a span that failed. What went wrong is in `error.type`.
pub(super) fn error_status() -> Status {
    Status { message: String::new(), code: SpanStatus::Error.into() }
}

/// A host with or without a port, and the port.
pub(super) fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    let (host, port) = split_port(authority);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    (bare.unwrap_or(host), port.and_then(|port| port.parse().ok()))
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_a_host_and_perhaps_a_port() {
        for (authority, host, port) in [
            ("shop.test", "shop.test", None),
            ("shop.test:8080", "shop.test", Some(8080)),
            ("[::1]:81", "::1", Some(81)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
            ("", "", None),
        ] {
            assert_eq!(host_and_port(authority), (host, port), "{authority}");
        }
    }
}
