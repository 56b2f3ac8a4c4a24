//! The signals that a gateway obeys.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals as they come in.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    quit: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalAction {
    /// SIGTERM, SIGINT: to end.
    End,
    /// SIGHUP: to take the new configuration.
    Reload,
    /// SIGQUIT: to hand over to a successor.
    HandOver,
}

impl Signals {
    /// From here on no signal of these kills.
    ///
    /// # Errors
    /// The system does not let us.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next signal; none is lost when this is dropped.
    pub(crate) async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::End,
            _ = self.interrupt.recv() => SignalAction::End,
            _ = self.hang_up.recv() => SignalAction::Reload,
            _ = self.quit.recv() => SignalAction::HandOver,
        }
    }

    /// Returns once `times` signals have asked for the end; the others are told that it is near.
    pub(crate) async fn told_to_end(&mut self, times: usize) {
        let mut told = 0;
        while told < times {
            match self.next().await {
                SignalAction::End => told += 1,
                SignalAction::Reload | SignalAction::HandOver => {
                    tracing::warn!(kind = "drain", "a signal is ignored: the process is about to end");
                }
            }
        }
    }
}
