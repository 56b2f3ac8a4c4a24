//! What systemd is told of this process (`sd_notify(3)`); without it, nothing. It only ever helps: a failure is
//! logged and nothing else.

use sd_notify::NotifyState;

/// This process serves. With `succeeds` it is the service's main process from here on, in place of another.
pub(crate) fn tell_ready(succeeds: bool) {
    if succeeds {
        tell(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]);
    } else {
        tell(&[NotifyState::Ready]);
    }
}

/// The service comes to its end.
pub(crate) fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd can't be told how the service stands");
    }
}
