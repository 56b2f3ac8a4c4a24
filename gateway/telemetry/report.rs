//! What the phases of one batch, or one proxied request, say about themselves once it is over.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::batch::Summary;
use crate::config::Settings;
use crate::phase::Phase;
use crate::problem::Limit;
use crate::route::{RouteIndex, UpstreamIndex};
use crate::stitch::ItemReport;

use super::{GrpcStatus, LongLivedEnd, RequestId, TraceContext};

/// How a batch ended, as metrics say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// All items ended below 400.
    Ok,
    /// Some did.
    Partial,
    /// None did.
    Failed,
    /// Refused whole, for this reason.
    Refused(&'static str),
    /// The client left before its reply.
    ClientGone,
    /// It was explained, and nothing of it was sent.
    Explained,
}

impl BatchEnd {
    /// The words for metrics.
    pub const WORDS: [&'static str; 6] = ["ok", "partial", "failed", "refused", "client_gone", "explained"];

    /// The end of a batch whose items ended so.
    #[must_use]
    pub fn of_items(items: usize, failed: usize) -> Self {
        if failed == 0 {
            Self::Ok
        } else if failed < items {
            Self::Partial
        } else {
            Self::Failed
        }
    }

    /// The word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Refused(_) => "refused",
            Self::ClientGone => "client_gone",
            Self::Explained => "explained",
        }
    }
}

/// How long each phase took.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhaseTimes([Duration; Phase::ALL.len()]);

impl PhaseTimes {
    /// Records a phase's time.
    pub fn set(&mut self, phase: Phase, took: Duration) {
        if let Some(time) = self.0.get_mut(phase as usize) {
            *time = took;
        }
    }

    /// The phases and their times, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Duration)> + '_ {
        Phase::ALL.into_iter().zip(self.0)
    }
}

/// A batch that is over.
#[derive(Clone, Debug)]
pub struct BatchReport {
    /// The endpoint's path.
    pub endpoint: String,
    /// The format it came in; empty where none was found.
    pub format: &'static str,
    /// How it ended.
    pub end: BatchEnd,
    /// The limit that refused it, if it was one.
    pub limit: Option<Limit>,
    /// The reply's status.
    pub status: StatusCode,
    /// Its items, and how many of them failed.
    pub summary: Summary,
    /// How many of them shared the call of another.
    pub coalesced: usize,
    /// Failed items with what a log line says of them, the first few only.
    pub failures: Vec<FailedItem>,
    /// How long each phase took.
    pub phases: PhaseTimes,
    /// Bytes of its body as sent.
    pub bytes_in: usize,
    /// Bytes of its reply's body.
    pub bytes_out: usize,
    /// Its request id.
    pub request_id: RequestId,
    /// Its trace.
    pub trace: TraceContext,
    /// The client's address.
    pub client: String,
    /// The client's name, where it has shown who it is.
    pub client_name: Option<Arc<str>>,
}

/// A failed item, for its log line.
#[derive(Clone, Debug)]
pub struct FailedItem {
    /// Its 1-based position.
    pub position: usize,
    /// Its id, cut to a sensible length.
    pub id: String,
    /// How it ended.
    pub item: ItemReport,
}

/// A proxied request that is over.
#[derive(Clone, Debug)]
pub struct RequestReport {
    /// The route it met, if any.
    pub route: Option<RouteIndex>,
    /// The upstream it went to, if any.
    pub upstream: Option<UpstreamIndex>,
    /// Its method's label.
    pub method: &'static str,
    /// The reply's status; `None` where none was sent.
    pub status: Option<StatusCode>,
    /// The status of a call of gRPC, which says 200 in HTTP whatever became of it; `None` for all else.
    pub grpc_status: Option<GrpcStatus>,
    /// From its header to its end.
    pub elapsed: Duration,
    /// Why the gateway answered in the upstream's place, or the reply broke off, if so.
    pub reason: Option<&'static str>,
    /// The limit that bit, if that is why.
    pub limit: Option<Limit>,
    /// How it ended, if it stayed open (an upgraded connection, a stream); its time is no latency.
    pub lasted: Option<LongLivedEnd>,
    /// Its request id.
    pub request_id: RequestId,
    /// Its trace.
    pub trace: TraceContext,
    /// The client's address.
    pub client: String,
    /// The client's name, where it has shown who it is.
    pub client_name: Option<Arc<str>>,
}

/// The names behind route and upstream indexes: label values come from the configuration only.
#[derive(Clone, Copy)]
pub struct Names<'settings>(pub &'settings Settings);

impl<'settings> Names<'settings> {
    /// The route's name, or nothing.
    #[must_use]
    pub fn route(self, route: Option<RouteIndex>) -> &'settings str {
        route.and_then(|index| self.0.routes.get(index)).map_or("", |route| &route.name)
    }

    /// The upstream's name, or nothing.
    #[must_use]
    pub fn upstream(self, upstream: Option<UpstreamIndex>) -> &'settings str {
        upstream.and_then(|index| self.0.upstream(index)).map_or("", |upstream| &upstream.name)
    }
}
