//! How a run of `batchgate send` fails.

use std::io;

use super::input::InputError;
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
    #[error("batchgate send: {0}")]
    System(#[from] io::Error),
    #[error("batchgate send: {0}")]
    NoReply(#[from] ClientError),
    #[error("batchgate send: {0}; the records after those with results were not sent")]
    NotConnected(String),
    #[error("batchgate send: {}", .0.problem)]
    Refused(Refusal),
    #[error("batchgate send: {failed} of {items} items failed")]
    Failed { failed: u64, items: u64 },
}
