//! Notifies systemd of the state of this process (`sd_notify(3)`). Without systemd it does nothing. A failure is logged
//! and has no other effect.

use sd_notify::NotifyState;

/// How this process came to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It was started by itself.
    Fresh,
    /// It succeeds another process, and is the service's main process from here on.
    Succeeding,
}

/// This process serves.
pub(crate) fn notify_ready(start: Start) {
    match start {
        Start::Fresh => notify(&[NotifyState::Ready]),
        Start::Succeeding => notify(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]),
    }
}

/// The service is about to end.
pub(crate) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "could not notify systemd");
    }
}
