//! The ways in which a client can say who it is, by the names of their keys under `auth`.

use schemars::JsonSchema;
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

/// Who has access to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteAuth {
    /// Everybody. Items still come in a batch, whose client has to be known.
    Off,
    /// Clients with a key.
    ApiKeys,
    /// Clients with a token.
    Jwt,
    /// Clients with a name and a password.
    Basic,
    /// Clients that the service of `forward` lets in.
    Forward,
}

impl RouteAuth {
    /// The only way that gives access; `None`: everybody has it.
    #[must_use]
    pub const fn only(self) -> Option<AuthWay> {
        match self {
            Self::Off => None,
            Self::ApiKeys => Some(AuthWay::ApiKeys),
            Self::Jwt => Some(AuthWay::Jwt),
            Self::Basic => Some(AuthWay::Basic),
            Self::Forward => Some(AuthWay::Forward),
        }
    }
}
