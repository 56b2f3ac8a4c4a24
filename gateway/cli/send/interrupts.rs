//! SIGINT and SIGTERM during a run. After the first one nothing more is sent, and what is under way ends; the second one leaves
//! that, too. Either way each item that was sent has a result. Results that can't be written end a run like a first signal.

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::terminal::print_error;

/// How far the end of the run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// Nothing more is sent.
    Ending,
    /// No reply is waited for.
    Leaving,
}

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndSignal {
    Interrupt,
    Terminate,
}

impl EndSignal {
    /// 128 and the number of the signal, as shells have it for programs that a signal has ended.
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        })
    }
}

impl fmt::Display for EndSignal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// What the signals so far ask for.
#[derive(Clone, Debug)]
pub(super) struct Interrupts {
    said: watch::Receiver<(Stage, Option<EndSignal>)>,
    say: Arc<watch::Sender<(Stage, Option<EndSignal>)>>,
}

impl Interrupts {
    /// From here on neither signal kills the process.
    pub(super) fn watch() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (say, said) = watch::channel((Stage::Running, None));
        let say = Arc::new(say);
        let by_signal = Arc::clone(&say);
        tokio::spawn(async move {
            while by_signal.borrow().0 < Stage::Leaving {
                let by = tokio::select! {
                    _ = interrupt.recv() => EndSignal::Interrupt,
                    _ = terminate.recv() => EndSignal::Terminate,
                };
                let mut is_first = false;
                by_signal.send_modify(|(stage, signal)| {
                    is_first = *stage == Stage::Running;
                    (*stage, *signal) = (if is_first { Stage::Ending } else { Stage::Leaving }, Some(by));
                });
                if is_first {
                    print_error(format_args!(
                        "{by}: nothing more is sent; waiting for the replies to what is under way; another signal leaves them"
                    ));
                }
            }
        });
        Ok(Self { said, say })
    }

    /// From here on nothing more is sent, as after a first signal. The next signal leaves what is under way.
    pub(super) fn end(&self) {
        self.say.send_if_modified(|(stage, _)| {
            let is_running = *stage == Stage::Running;
            if is_running {
                *stage = Stage::Ending;
            }
            is_running
        });
    }

    /// The first signal, if there was one.
    pub(super) fn signal(&self) -> Option<EndSignal> {
        self.said.borrow().1
    }

    /// Waits until the end has come this far. Cancel-safe.
    pub(super) async fn reached(&self, stage: Stage) {
        let mut said = self.said.clone();
        if said.wait_for(|(now, _)| *now >= stage).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What the work brings; `None` if the end comes this far before it is done.
    pub(super) async fn before<T>(&self, stage: Stage, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.reached(stage) => None,
        }
    }

    /// Waits before something is sent once more. `None`: it is not to be sent.
    pub(super) async fn pause(&self, pause: Duration) -> Option<()> {
        self.before(Stage::Ending, tokio::time::sleep(pause)).await
    }
}
