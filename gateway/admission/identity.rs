//! Who a client is, and what of that the services learn.

use std::sync::Arc;

use http::header::HeaderName;

use crate::config::{Auth, Settings};
use crate::header::field::Fields;

/// Who a client is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// Its name, for the log and for rate limits.
    pub(crate) name: Option<Arc<str>>,
    /// The fields that let it in.
    pub(crate) credentials: Vec<HeaderName>,
    /// What the asked service says of it to the services.
    pub(crate) added: Fields,
}

/// The fields of a client's request that no service gets: its credential for the gateway, and what only
/// the asked service may say.
pub(crate) fn withheld<'names>(
    settings: &'names Settings,
    identity: &'names Identity,
) -> impl Iterator<Item = &'names HeaderName> {
    let auth = settings.auth.as_ref();
    let passes = auth.is_some_and(|auth| auth.pass_credentials);
    let credentials = identity.credentials.iter().filter(move |_| !passes);
    credentials.chain(auth.into_iter().flat_map(Auth::added))
}
