//! The phases of a batch, in order. One enum, so that metrics, logs and documentation use the same words.

/// One phase in the life of a batch. The variants are in the order of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The body is read from the client, within limits of size and time.
    Receive,
    /// A format reads the body into a [`crate::batch::Batch`].
    Parse,
    /// Items are matched with routes and become calls, or are settled without one.
    Plan,
    /// Calls are made. Each item ends with one outcome.
    Dispatch,
    /// Outcomes become results, in the order of the request.
    Stitch,
    /// The reply is written to the client.
    Send,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 6] =
        [Self::Receive, Self::Parse, Self::Plan, Self::Dispatch, Self::Stitch, Self::Send];

    /// The phase's name in metrics, logs and documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Parse => "parse",
            Self::Plan => "plan",
            Self::Dispatch => "dispatch",
            Self::Stitch => "stitch",
            Self::Send => "send",
        }
    }
}
