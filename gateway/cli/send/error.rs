//! How a run of `batchgate send` fails.

use std::io;
use std::process::ExitCode;

use super::input::InputError;
use super::interrupts::EndSignal;
use super::sender::Refusal;
use crate::http_client::ClientError;

/// Why not everything was sent, or not everything succeeded.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error("batchgate send: {0}")]
    Input(#[from] InputError),
    #[error("batchgate send: the results can't be written: {0}")]
    Results(io::Error),
    #[error(
        "batchgate send: the results can't be written: {error}; records that were sent and may have no result: {records}; no others were sent after them"
    )]
    Unwritten { error: io::Error, records: String },
    #[error("batchgate send: {0}")]
    System(#[from] io::Error),
    #[error("batchgate send: {0}{hint}", hint = hint(.0))]
    NoReply(#[from] ClientError),
    #[error(
        "batchgate send: {0}; --url says where the gateway is; the records after those with results were not sent"
    )]
    NotConnected(String),
    #[error("batchgate send: {}", .0.problem)]
    Refused(Refusal),
    #[error("batchgate send: ended by {0}; the records without results were not sent")]
    Ended(EndSignal),
    #[error("batchgate send: ended by {0} before the reply came; nobody can say what became of the batch")]
    Left(EndSignal),
    #[error("batchgate send: ended by {0} before the batch was sent once more; {1}")]
    EndedUnsent(EndSignal, String),
    #[error("batchgate send: ended by {signal}; {failed} of {items} items failed")]
    EndedSent { signal: EndSignal, failed: u64, items: u64 },
    #[error("batchgate send: {failed} of {items} items failed")]
    Failed { failed: u64, items: u64 },
}

/// What to do about it.
fn hint(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotConnected { .. } => "; nothing was sent; --url says where the gateway is",
        ClientError::NoReply { .. } | ClientError::TimedOut { .. } | ClientError::TooLarge { .. } => {
            "; nobody can say what became of the batch"
        }
    }
}

impl SendError {
    /// What the shell gets.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ended(signal)
            | Self::Left(signal)
            | Self::EndedUnsent(signal, _)
            | Self::EndedSent { signal, .. } => signal.exit_code(),
            Self::Usage(_)
            | Self::Input(_)
            | Self::Results(_)
            | Self::Unwritten { .. }
            | Self::System(_)
            | Self::NoReply(_)
            | Self::NotConnected(_)
            | Self::Refused(_)
            | Self::Failed { .. } => ExitCode::FAILURE,
        }
    }
}
