//! What outlives a reload: the snapshot in use, connections, metrics, and the count of what is under
//! way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dispatch::CallFailure;
use crate::stitch::problem::failure_reason;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::activity::Activity;
use super::connections::Connections;
use super::memory::Memory;
use super::snapshot::Snapshot;

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// A gateway at work.
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    /// Connections to targets.
    pub(super) connections: Connections,
    pub(super) metrics: Metrics,
    /// What all batches hold together.
    pub(super) memory: Memory,
    pub(super) activity: Activity,
    draining: AtomicBool,
    /// Turns true when no more connections are taken, and what could last for hours is asked to end.
    ending: watch::Sender<bool>,
}

impl Gateway {
    pub(super) fn new(snapshot: Snapshot, metrics: Metrics) -> Self {
        let idle_connections = snapshot.settings.limits.idle_connections;
        let memory = Memory::new(snapshot.settings.limits.memory);
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            connections: Connections::new(idle_connections, Arc::clone(&metrics.tls_failures)),
            metrics,
            memory,
            activity: Activity::default(),
            draining: AtomicBool::new(false),
            ending: watch::Sender::new(false),
        }
    }

    /// The configuration in use.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub(super) fn replace(&self, snapshot: Snapshot) {
        self.memory.resize(snapshot.settings.limits.memory);
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Counts a request as under way until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> UnderWay {
        self.activity.request_begins();
        UnderWay(Arc::clone(self))
    }

    /// From here on the gateway says that it is not ready.
    pub(super) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// From here on exchanges that could last for hours are asked to end.
    pub(super) fn end_lasting_exchanges(&self) {
        self.ending.send_replace(true);
    }

    /// Returns once they are.
    pub(super) async fn ends(&self) {
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(super) fn count_attempt(&self, upstream: &str, code: &str) {
        self.metrics.upstreams.attempts.with_label_values(&[upstream, code]).inc();
    }

    pub(super) fn count_connect_error(&self, upstream: &str, failure: CallFailure) {
        self.metrics.upstreams.connect_errors.with_label_values(&[upstream, failure_reason(failure)]).inc();
    }
}

/// A request under way.
pub(super) struct UnderWay(Arc<Gateway>);

impl UnderWay {
    /// The gateway that it is under way in.
    pub(super) const fn gateway(&self) -> &Arc<Gateway> {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.activity.request_ends();
    }
}
