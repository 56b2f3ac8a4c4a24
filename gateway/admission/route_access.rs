//! Who has access to what a route leads to. It is the same for an item as for a single request: a batch is not a way around it.

use super::caller::Caller;
use super::identity::Identity;
use crate::batch::{AdmissionRefusal, ItemRejection};
use crate::config::{Access, Auth, Settings};
use crate::plan::{PlannedItem, Step, parse_item_url};

/// Who has access, where a route or an endpoint says this. `is_covered`: whether `auth` covers the path, which counts where nothing
/// is said. `None`: the clients of `auth` itself, but none of those with a name (`auth.named`).
pub(crate) fn access(said: Option<&Access>, is_covered: impl FnOnce() -> bool) -> Option<&Access> {
    said.or_else(|| (!is_covered()).then_some(&Access::Everybody))
}

/// Rejects the items that this client could not send as single requests with the credential that came with the batch.
pub(crate) fn check_routes(items: &mut [PlannedItem], settings: &Settings, caller: &Caller) {
    let Some(auth) = &settings.auth else { return };
    for item in items {
        let policy = item.route.and_then(|route| settings.policy(route));
        let said = policy.and_then(|policy| policy.auth.as_ref());
        let wanted = access(said, || covers(auth, item, caller));
        if !has_access(wanted, &caller.identity) && !matches!(item.step, Step::Rejected(_)) {
            item.step = Step::Rejected(ItemRejection::NotAdmitted(AdmissionRefusal::OtherCredential));
        }
    }
}

fn has_access(wanted: Option<&Access>, identity: &Identity) -> bool {
    match wanted {
        None => identity.named.is_none(),
        Some(Access::Everybody) => true,
        Some(Access::Way(way)) => identity.way == Some(*way) && identity.named.is_none(),
        Some(Access::Named(name)) => identity.named.as_ref() == Some(name),
    }
}

/// Whether `auth` covers the path of an item. A path that is not known yet may turn out to be any.
fn covers(auth: &Auth, item: &PlannedItem, caller: &Caller) -> bool {
    let is_known = !matches!(item.step, Step::Later(_));
    // Most batches have a client that need not be told apart, and most configurations no paths.
    let decides = caller.identity.named.is_some() && auth.paths.is_some() && is_known;
    let url = decides.then(|| parse_item_url(&item.subject.href, &caller.authority));
    !matches!(url, Some(Ok(url)) if !auth.covers(&url.path))
}
