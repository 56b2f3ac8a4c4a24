//! What becomes of groups of several items, which their clients want to be atomic (OData's change sets and
//! `atomicityGroup`). The upstreams share no transaction, so no such group is; at best, what it did is undone if it fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a group of several items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// None of it is sent; each of its items ends in 501.
    #[default]
    Refuse,
    /// Its items run one by one, in their order, whatever becomes of the others. The group is not atomic.
    Independent,
    /// Its items run one by one, in their order, until one fails. Then those before it are undone, as the `undo` of their
    /// routes says. Others can see what is undone later.
    Compensate,
}

impl Groups {
    /// Its word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Independent => "independent",
            Self::Compensate => "compensate",
        }
    }
}

/// How a change set is answered in multipart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Changesets {
    /// As a nested multipart; a refused set by one part.
    #[default]
    Nested,
    /// By one part for each request, as `SharePoint` does it.
    Flat,
}

impl Changesets {
    /// Its word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nested => "nested",
            Self::Flat => "flat",
        }
    }
}

/// The text of a group that is refused because it can't be atomic. `sent`: what was not sent for it.
pub(super) fn not_atomic(sent: &str) -> String {
    format!(
        "the upstreams share no transaction, so that a group of several items can't be atomic; nothing of the {sent} was \
         sent: send its items without a group, or ask the gateway's operator to set `groups`"
    )
}

/// The text of a group that is refused because not all of it can be undone. `sent`: what was not sent for it.
pub(super) fn no_undo(method: &str, route: &str, sent: &str) -> String {
    format!(
        "a group of several items runs here only if all of it can be undone, and the route `{route}` does not say how to \
         undo {method} (`undo`); nothing of the {sent} was sent"
    )
}
