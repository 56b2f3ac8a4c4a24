//! Kinds of failure that `retry.on` and `breaker.on` name: a list in the file, a set of switches in use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dispatch::{CallFailure, FailureKind};

/// The kinds of failure of a call that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Vec<FailureName>", into = "Vec<FailureName>")]
pub struct FailureKinds {
    /// No connection could be opened; nothing was sent.
    pub connect: bool,
    /// The connection broke before the reply was complete.
    pub lost: bool,
    /// No complete reply in time.
    pub timeout: bool,
}

impl FailureKinds {
    /// Whether a failure is of one of these kinds.
    #[must_use]
    pub const fn count(self, failure: CallFailure) -> bool {
        match failure.kind() {
            Some(FailureKind::Connect) => self.connect,
            Some(FailureKind::Lost) => self.lost,
            Some(FailureKind::Timeout) => self.timeout,
            None => false,
        }
    }
}

/// A kind of failure of a call that has no status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FailureName {
    /// No connection could be opened.
    #[default]
    Connect,
    /// The connection broke before the reply was complete.
    Lost,
    /// No complete reply in time.
    Timeout,
}

impl From<Vec<FailureName>> for FailureKinds {
    fn from(names: Vec<FailureName>) -> Self {
        names.into_iter().fold(Self::default(), |kinds, name| match name {
            FailureName::Connect => Self { connect: true, ..kinds },
            FailureName::Lost => Self { lost: true, ..kinds },
            FailureName::Timeout => Self { timeout: true, ..kinds },
        })
    }
}

impl From<FailureKinds> for Vec<FailureName> {
    fn from(kinds: FailureKinds) -> Self {
        let FailureKinds { connect, lost, timeout } = kinds;
        let all =
            [(FailureName::Connect, connect), (FailureName::Lost, lost), (FailureName::Timeout, timeout)];
        all.into_iter().filter(|(_, counts)| *counts).map(|(name, _)| name).collect()
    }
}
