//! One call in progress: its request and its terms.

use http::Method;

use crate::clock::Deadline;
use crate::dispatch::Attempt;
use crate::plan::Call;

/// The request to send.
#[derive(Clone, Copy)]
pub(super) struct Sending<'call> {
    pub(super) method: &'call Method,
    pub(super) call: &'call Call,
    pub(super) attempt: Attempt<'call>,
    /// An attempt that is dropped after this was too slow, which the circuit breaker counts; before it, it was merely
    /// unwanted. `None`: it never counts.
    pub(super) patience: Option<Deadline>,
}
