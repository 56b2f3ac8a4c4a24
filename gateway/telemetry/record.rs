//! Everything that is known about one batch, or one single request, once it is over. The phases fill the record in; the
//! [`Recorder`](super::Recorder) makes metrics and log lines of it.

use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use crate::batch::{ItemResult, Summary};
use crate::clock::Stopwatch;
use crate::config::{BatchEndpoint, Settings};
use crate::dispatch::{Timeline, Undone};
use crate::phase::Phase;
use crate::problem::{ErrorReply, Limit};
use crate::route::{RouteIndex, UpstreamIndex};
use crate::stitch::ItemReport;

use super::after::After;
use super::durations::Durations;
use super::item_record::{ItemRecord, KeptItems};
use super::names::Names;
use super::server_timing::ServerTiming;
use super::traces::TracedItems;
use super::{GrpcStatus, LongLivedEnd, RequestId, TraceContext};

/// How a batch ended, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// All items ended below 400.
    Ok,
    /// Some items did.
    Partial,
    /// No item did.
    Failed,
    /// The gateway refused the batch, for this reason.
    Refused(&'static str),
    /// The client left before it had its reply.
    ClientGone,
    /// It was explained, and no item was sent.
    Explained,
}

impl BatchEnd {
    /// The words for metrics.
    pub const WORDS: [&'static str; 6] = ["ok", "partial", "failed", "refused", "client_gone", "explained"];

    /// The end of a batch: how many items it had and how many of them failed.
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

    /// Why the gateway refused it, if it did.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::Ok | Self::Partial | Self::Failed | Self::ClientGone | Self::Explained => None,
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

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// The phases and their times, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Duration)> + '_ {
        Phase::ALL.into_iter().zip(self.0)
    }
}

/// Who sent a request, and how, as logs say it.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'request> {
    /// The request's id.
    pub request_id: &'request RequestId,
    /// Its place in a trace.
    pub trace: TraceContext,
    /// The client's address.
    pub client: &'request str,
    /// The client's name, if it has proved one.
    pub client_name: Option<&'request str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// What the client called the gateway.
    pub host: &'request str,
    /// The request's head.
    pub head: &'request Parts,
    /// The call to the service that was asked who the client is.
    pub asked: Option<&'request AskedService>,
}

/// The call to the service of `auth.forward`.
#[derive(Clone, Debug)]
pub struct AskedService {
    /// Its upstream.
    pub upstream: UpstreamIndex,
    /// The path and query of the request line, as the service saw it.
    pub target: Box<str>,
    /// When what happened to it.
    pub timeline: Timeline,
}

/// A batch, a stream or a bulk request. It is filled in while the batch is served: whatever ends the batch early leaves
/// what was known until then.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// The endpoint's path.
    pub endpoint: String,
    /// When its head had been read.
    pub began: Stopwatch,
    /// The format of its items; empty until it is known.
    pub format: &'static str,
    /// How it ended; until that is known, as if the client had left.
    pub end: BatchEnd,
    /// The limit that refused it, if one did.
    pub limit: Option<Limit>,
    /// The reply's status; until one was sent, that of an accepted batch.
    pub status: StatusCode,
    /// How many items have ended, and how many of them failed.
    pub summary: Summary,
    /// How many of them shared the call of another.
    pub coalesced: usize,
    /// How many items of groups of several ran one by one.
    pub independent: usize,
    /// How many items were undone, because their group failed.
    pub undone: usize,
    /// The items that could not be undone, for their log lines. Somebody has to look after each of them.
    pub left_over: Vec<ItemRecord>,
    /// The items that somebody may ask about.
    pub kept: KeptItems,
    /// How long the items took that were started.
    pub durations: Durations,
    /// What some of its items wait for; for the console.
    pub after: Vec<After>,
    /// How long each phase took.
    pub phases: PhaseTimes,
    /// The items that will have spans. `None`: its trace is not recorded.
    pub traced: Option<TracedItems>,
    /// What its reply says about its slowest item. `None`: its reply says nothing about times.
    pub timing: Option<ServerTiming>,
    /// Bytes of its body as sent.
    pub bytes_in: usize,
    /// Bytes of its reply's body.
    pub bytes_out: u64,
}

impl BatchRecord {
    /// A batch whose head was read at `began`.
    #[must_use]
    pub fn new(endpoint: &BatchEndpoint, settings: &Settings, began: Stopwatch, trace: TraceContext) -> Self {
        let tracing = settings.tracing.as_ref().filter(|_| trace.is_sampled());
        Self {
            endpoint: endpoint.path.as_str().to_owned(),
            began,
            format: "",
            end: BatchEnd::ClientGone,
            limit: None,
            status: endpoint.reply_status,
            summary: Summary { items: 0, failed: 0 },
            coalesced: 0,
            independent: 0,
            undone: 0,
            left_over: Vec::new(),
            kept: KeptItems::new(endpoint, settings),
            durations: Durations::default(),
            after: Vec::new(),
            phases: PhaseTimes::default(),
            traced: tracing.map(|tracing| TracedItems::new(tracing.max_items)),
            timing: endpoint.server_timing.then(ServerTiming::default),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Counts an item that has ended; `position` is its 1-based place in the batch.
    pub fn add(&mut self, position: usize, result: &ItemResult, item: &ItemReport, names: Names<'_>) {
        self.summary.items += 1;
        self.coalesced += usize::from(item.coalesced);
        match item.undone {
            Some(Undone::Done) => self.undone += 1,
            Some(Undone::Failed) => {
                self.left_over.push(ItemRecord::new(position, result, item, names));
            }
            None => {}
        }
        self.summary.failed += usize::from(result.is_failed());
        self.kept.add(position, result, item, names);
        if let Some(took) = item.timeline.elapsed() {
            self.durations.add(took);
        }
        if let Some(traced) = &mut self.traced {
            traced.add(position, result, item, names);
        }
        if let Some(timing) = &mut self.timing {
            timing.add(position, &item.timeline);
        }
    }

    /// The batch is refused for this reason.
    pub fn refuse(&mut self, error: &ErrorReply) {
        self.end = BatchEnd::Refused(error.reason);
        self.limit.clone_from(&error.limit);
    }
}

/// A request that is not a batch.
#[derive(Clone, Debug, Default)]
pub struct RequestRecord {
    /// The route that its path matched, if any.
    pub route: Option<RouteIndex>,
    /// The upstream it went to, if any.
    pub upstream: Option<UpstreamIndex>,
    /// The label of its method.
    pub method: &'static str,
    /// The reply's status; `None` if none was sent.
    pub status: Option<StatusCode>,
    /// The gRPC status. HTTP says 200 for every such call; `None` for other requests.
    pub grpc_status: Option<GrpcStatus>,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of its reply's body.
    pub bytes_out: u64,
    /// When it was sent, and to which targets; `None` if it went to no upstream.
    pub timeline: Option<Timeline>,
    /// From its head to its end.
    pub elapsed: Duration,
    /// Why the gateway answered in place of the upstream, or why the reply broke off.
    pub reason: Option<&'static str>,
    /// The limit that was the reason, if one was.
    pub limit: Option<Limit>,
    /// How it ended, if it stayed open (an upgraded connection, a stream). Its time is then not a latency.
    pub lasted: Option<LongLivedEnd>,
}
