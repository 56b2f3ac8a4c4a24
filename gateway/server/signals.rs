//! The signals that a gateway obeys.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals as they come in.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    quit: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
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
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next signal; none is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.quit.recv() => Wish::HandOver,
        }
    }

    /// Returns once `times` signals have asked for the end; the others are told that it is near.
    pub(super) async fn told_to_end(&mut self, times: usize) {
        let mut told = 0;
        while told < times {
            match self.next().await {
                Wish::End => told += 1,
                Wish::Reload | Wish::HandOver => {
                    tracing::warn!(kind = "drain", "a signal is ignored: the process is about to end");
                }
            }
        }
    }
}
