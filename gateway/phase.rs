//! The phases of a batch, in order. One enum, so that metrics, logs and documentation use the same words.

use crate::words::words;

words! {
    /// One phase in the life of a batch. The variants are in the order of the phases.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Phase {
        /// The body is read from the client, within limits of size and time.
        Receive = "receive",
        /// A format reads the body into a [`crate::batch::Batch`].
        Parse = "parse",
        /// Items are matched with routes and become calls, or are settled without one.
        Plan = "plan",
        /// Calls are made. Each item ends with one outcome.
        Dispatch = "dispatch",
        /// Outcomes become results, in the order of the request.
        Stitch = "stitch",
        /// The reply is written to the client.
        Send = "send",
    }
}
