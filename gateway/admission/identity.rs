//! Who an authenticated client is, and what upstreams learn about it.

use std::sync::Arc;

use http::header::HeaderName;
use serde::{Deserialize, Serialize};

use crate::config::{Auth, AuthWay, Settings};
use crate::header::field::Fields;
use crate::header::stored;

/// Who a client is, as far as it has proved it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its name, for log lines and for everything that is counted by client.
    pub(crate) name: Option<Arc<str>>,
    /// How it has proved it; `None`: not, or by its certificate only.
    pub(crate) way: Option<AuthWay>,
    /// The name of the ways that it has proved it by (`auth.named`); `None`: those of `auth` itself.
    pub(crate) named: Option<Arc<str>>,
    /// The fields that held its credentials.
    #[serde(with = "stored::names")]
    pub(crate) credentials: Vec<HeaderName>,
    /// Fields that the authentication service adds to each call.
    #[serde(with = "stored::fields")]
    pub(crate) added: Fields,
}

/// The fields of a client's request that no upstream gets: its credential for the gateway, and those that only the
/// authentication service may set.
pub(crate) fn withheld<'names>(
    settings: &'names Settings,
    identity: &'names Identity,
) -> impl Iterator<Item = &'names HeaderName> {
    let auth = settings.auth.as_ref();
    let passes = auth.is_some_and(|auth| auth.pass_credentials);
    let credentials = identity.credentials.iter().filter(move |_| !passes);
    credentials.chain(auth.into_iter().flat_map(Auth::added))
}
