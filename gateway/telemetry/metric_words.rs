//! What callers of [`Metrics`](super::Metrics) choose from: words that are labels, and the formats of `/metrics`.

use crate::words::words;

words! {
    /// How a load of the configuration ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum ReloadResult {
        /// The configuration is in use.
        Taken = "taken",
        /// It has errors, and changes nothing.
        Refused = "refused",
    }
}

words! {
    /// What memory is held for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum MemoryPurpose {
        /// Bodies of batch requests, and lines of streams.
        Bodies = "request_bodies",
        /// Replies of services, until the client has them.
        Replies = "replies",
        /// Results that streams keep for later lines.
        StreamWindow = "stream_window",
        /// Encoders of compressed replies.
        Encoders = "encoders",
        /// Decoders of compressed requests.
        Decoders = "decoders",
    }
}

words! {
    /// How a hand-over ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum HandoverResult {
        /// This process took over from another one.
        Taken = "taken",
        /// Another process failed to take over from this one.
        Failed = "failed",
    }
}

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' own, version 0.0.4.
    Text,
    /// OpenMetrics 1.0, with exemplars.
    OpenMetrics,
}

impl Exposition {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}
