//! What outlives a reload: metrics, the last batches, the memory budget, the counts of requests and connections, and which snapshot is in
//! use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admission::Passwords;
use crate::memory::{CoderMemory, MemoryBudget};
use crate::telemetry::{AccessLog, Metrics, RecentBatches, Traces};
use crate::upstream::health_check::start_checks;

use super::activity::Activity;
use super::snapshot::Snapshot;

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// A running gateway. Everything that serves holds it in an `Arc`.
pub(crate) struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    /// The health checks of the snapshot in use. Dropping the set ends them.
    checks: Mutex<JoinSet<()>>,
    pub(crate) metrics: Metrics,
    pub(crate) access: AccessLog,
    /// The last batches, for operators.
    pub(crate) recent: RecentBatches,
    /// Where spans go.
    pub(crate) traces: Traces,
    /// The memory for bodies of all batches together.
    pub(crate) memory: MemoryBudget,
    /// The memory for encoders of compressed replies.
    pub(crate) encoders: Arc<CoderMemory>,
    /// The memory for decoders of compressed requests.
    pub(crate) decoders: Arc<CoderMemory>,
    pub(crate) passwords: Passwords,
    pub(crate) activity: Activity,
    draining: AtomicBool,
    /// Turns true when the gateway stops accepting, and asks exchanges that could last for hours to end.
    ending: watch::Sender<bool>,
}

impl Gateway {
    pub(crate) fn new(snapshot: Snapshot, metrics: Metrics, access: AccessLog) -> Self {
        let traces = Traces::new(metrics.trace_spans.clone());
        let memory = MemoryBudget::new(snapshot.settings.limits.memory);
        let [encoders, decoders] =
            [(); 2].map(|()| Arc::new(CoderMemory::new(snapshot.settings.limits.memory)));
        let passwords = Passwords::new(metrics.authentication.clone());
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            checks: Mutex::default(),
            metrics,
            access,
            recent: RecentBatches::default(),
            traces,
            memory,
            encoders,
            decoders,
            passwords,
            activity: Activity::default(),
            draining: AtomicBool::new(false),
            ending: watch::Sender::new(false),
        }
    }

    /// The snapshot in use. A request takes it once and keeps it.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Starts the health checks of the snapshot in use, in place of the earlier ones.
    pub(crate) fn start_checks(&self) {
        let checks = start_checks(&self.snapshot().upstreams);
        *self.checks.lock().unwrap_or_else(PoisonError::into_inner) = checks;
    }

    /// Puts a new snapshot into use. Requests in flight keep theirs.
    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.memory.resize(snapshot.settings.limits.memory);
        self.encoders.resize(snapshot.settings.limits.memory);
        self.decoders.resize(snapshot.settings.limits.memory);
        self.traces.configure(snapshot.settings.tracing.as_ref());
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlightGuard {
        self.activity.request_begins();
        InFlightGuard(Arc::clone(self))
    }

    /// From here on the gateway reports that it is not ready.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Asks exchanges that could last for hours to end.
    pub(crate) fn end_lasting_exchanges(&self) {
        self.ending.send_replace(true);
    }

    /// Returns once such exchanges should end.
    pub(crate) async fn ends(&self) {
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Counts a request as in flight until it is dropped.
pub(crate) struct InFlightGuard(Arc<Gateway>);

impl InFlightGuard {
    /// The gateway that serves the request.
    pub(crate) const fn gateway(&self) -> &Arc<Gateway> {
        &self.0
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.activity.request_ends();
    }
}
