//! The signals that a gateway obeys, and what each asks for.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives signals in the order of their arrival.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    quit: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalAction {
    /// SIGTERM, SIGINT: drain and end.
    End,
    /// SIGHUP: load the configuration again.
    Reload,
    /// SIGQUIT: hand over to a successor.
    HandOver,
}

impl Signals {
    /// From here on none of these signals kills the process.
    ///
    /// # Errors
    /// The system refuses to install a handler.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for the next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::End,
            _ = self.interrupt.recv() => SignalAction::End,
            _ = self.hang_up.recv() => SignalAction::Reload,
            _ = self.quit.recv() => SignalAction::HandOver,
        }
    }

    /// Returns once `count` signals have asked for the end. The others are ignored, with a warning.
    pub(crate) async fn end_requests(&mut self, count: usize) {
        let mut received = 0;
        while received < count {
            match self.next().await {
                SignalAction::End => received += 1,
                SignalAction::Reload | SignalAction::HandOver => {
                    tracing::warn!(kind = "drain", "a signal is ignored: the process is about to end");
                }
            }
        }
    }
}
