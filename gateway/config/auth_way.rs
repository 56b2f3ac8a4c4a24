//! The ways in which a client can say who it is, by the names of their keys under `auth`, and who has access by them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// A way in which a client can say who it is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum AuthWay {
        /// A key.
        ApiKeys = "api_keys",
        /// A signed token.
        Jwt = "jwt",
        /// A name and a password.
        Basic = "basic",
        /// What a service says.
        Forward = "forward",
    }
}

/// Who has access to a route, a batch endpoint or a bulk route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody. Items still come in a batch, whose client has to be known.
    Everybody,
    /// Clients that came in by this one of the ways of `auth` itself.
    Way(AuthWay),
    /// Clients that came in by one of the ways that have this name (`auth.named`).
    Named(Arc<str>),
}

/// What gives everybody access.
pub(super) const OFF: &str = "off";

/// As the configuration has it.
impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Everybody => OFF,
            Self::Way(way) => way.as_str(),
            Self::Named(name) => name,
        })
    }
}

impl Access {
    /// Whom this word gives access to.
    pub(super) fn of(word: &str) -> Self {
        let way = AuthWay::ALL.into_iter().find(|way| way.as_str() == word);
        match way {
            _ if word == OFF => Self::Everybody,
            Some(way) => Self::Way(way),
            None => Self::Named(word.into()),
        }
    }
}
