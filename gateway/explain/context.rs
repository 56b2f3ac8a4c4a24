//! What an explanation needs in addition to the plan.

use http::HeaderMap;

use crate::config::{BatchEndpoint, Settings};
use crate::dialect::Dialect;
use crate::header::forwarded::ForwardedBy;
use crate::header::variables::Variables;
use crate::plan::Preferences;

/// Who reads the explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Somebody who has the configuration file.
    Operator,
    /// A client that may send batches.
    Client,
}

/// How the items arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// All at once.
    Batch,
    /// One by one, as the lines of a stream, which share no calls.
    Stream,
}

/// What an explanation needs in addition to the plan.
pub struct ExplainContext<'context> {
    /// The settings.
    pub settings: &'context Settings,
    /// The endpoint that the batch was sent to, or would be.
    pub endpoint: &'context BatchEndpoint,
    /// The dialect that the batch is in.
    pub dialect: Dialect,
    /// What the client called the gateway.
    pub authority: &'context str,
    /// The query of the batch's own url.
    pub query: &'context str,
    /// How the items arrive.
    pub arrival: Arrival,
    /// What the client asked for.
    pub preferences: Preferences,
    /// The fields that the items inherit.
    pub inherited: &'context HeaderMap,
    /// The fields that the gateway adds about the hop.
    pub hop: &'context ForwardedBy,
    /// What the variables in configured fields are.
    pub variables: Variables<'context>,
    /// Who reads it.
    pub audience: Audience,
}
