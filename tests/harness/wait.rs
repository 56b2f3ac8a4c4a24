//! Waiting without guessing: poll until something is so, or fail with what was waited for.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use batchgate::clock::Deadline;

/// How long anything may take before its test fails. Far above what it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a poll looks again.
const INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `probe` has something.
///
/// # Panics
/// When [`PATIENCE`] is over; says what was waited for.
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(PATIENCE);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(!deadline.is_over(), "waited {PATIENCE:?} in vain for {what}");
        thread::sleep(INTERVAL);
    }
}

/// Polls until `condition` holds.
pub(crate) fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// A gate that a test opens when the time has come; scripted upstreams wait at it. It opens by
/// itself after [`PATIENCE`], so that nothing hangs forever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub(crate) fn closed() -> Self {
        Self::default()
    }

    /// Lets everything through that waits now or comes later.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Returns once the gate is open.
    pub(crate) fn pass(&self) {
        let open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.1.wait_timeout_while(open, PATIENCE, |open| !*open));
    }
}
