//! The limit that was exceeded. Log lines name it in addition to the reason.

use std::fmt;
use std::sync::Arc;

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The limit with this key, or with this name if it is fixed.
    Key(&'static str),
    /// The rate limit with this name; written as `rate_limits.NAME`.
    Rate(Arc<str>),
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => formatter.write_str(key),
            Self::Rate(name) => write!(formatter, "rate_limits.{name}"),
        }
    }
}
