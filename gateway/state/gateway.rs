//! What outlives a reload: the snapshot in use, connections, metrics, and the count of what is under
//! way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::activity::Activity;
use super::snapshot::Snapshot;
use crate::memory::MemoryBudget;
use crate::upstream::health_check::start_checks;

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// A gateway at work.
pub(crate) struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    /// The health checks of the configuration in use. Dropping them ends them.
    checks: Mutex<JoinSet<()>>,
    pub(crate) metrics: Metrics,
    /// What all batches hold together.
    pub(crate) memory: MemoryBudget,
    pub(crate) activity: Activity,
    draining: AtomicBool,
    /// Turns true when no more connections are taken, and what could last for hours is asked to end.
    ending: watch::Sender<bool>,
}

impl Gateway {
    pub(crate) fn new(snapshot: Snapshot, metrics: Metrics) -> Self {
        let memory = MemoryBudget::new(snapshot.settings.limits.memory);
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            checks: Mutex::default(),
            metrics,
            memory,
            activity: Activity::default(),
            draining: AtomicBool::new(false),
            ending: watch::Sender::new(false),
        }
    }

    /// The configuration in use.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Starts the health checks of the configuration in use, in place of those before.
    pub(crate) fn start_checks(&self) {
        let checks = start_checks(&self.snapshot().upstreams);
        *self.checks.lock().unwrap_or_else(PoisonError::into_inner) = checks;
    }

    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.memory.resize(snapshot.settings.limits.memory);
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Counts a request as under way until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlightGuard {
        self.activity.request_begins();
        InFlightGuard(Arc::clone(self))
    }

    /// From here on the gateway says that it is not ready.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// From here on exchanges that could last for hours are asked to end.
    pub(crate) fn end_lasting_exchanges(&self) {
        self.ending.send_replace(true);
    }

    /// Returns once they are.
    pub(crate) async fn ends(&self) {
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// A request under way.
pub(crate) struct InFlightGuard(Arc<Gateway>);

impl InFlightGuard {
    /// The gateway that it is under way in.
    pub(crate) const fn gateway(&self) -> &Arc<Gateway> {
        &self.0
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.activity.request_ends();
    }
}
