//! The phases of a batch, in order. One enum, so that a span's name, a metric's label and the
//! words of the documentation are the same word.

/// One phase in the life of a batch; the order of the variants is the order of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The body is read from the client, bounded by size and time.
    Receive,
    /// A format reads the body into a [`crate::batch::Batch`].
    Parse,
    /// Items meet routes and become calls, or are settled already.
    Plan,
    /// Calls are made; each item ends in one outcome.
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
