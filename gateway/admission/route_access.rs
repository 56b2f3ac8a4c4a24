//! Items and the routes that only certain clients have access to: a batch is not a way around it.

use super::identity::Identity;
use crate::batch::{AdmissionRefusal, ItemRejection};
use crate::config::{Access, RoutePolicy};
use crate::plan::{PlannedItem, Step};

/// Rejects the items whose route wants another credential than the one that came with the batch.
pub(crate) fn check_routes(items: &mut [PlannedItem], policies: &[RoutePolicy], identity: &Identity) {
    for item in items {
        let policy = item.route.and_then(|route| policies.get(route.0));
        let wanted = policy.and_then(|policy| policy.auth.as_ref());
        let is_known = wanted.is_none_or(|wanted| has_access(wanted, identity));
        if !is_known && !matches!(item.step, Step::Rejected(_)) {
            item.step = Step::Rejected(ItemRejection::NotAdmitted(AdmissionRefusal::OtherCredential));
        }
    }
}

fn has_access(wanted: &Access, identity: &Identity) -> bool {
    match wanted {
        Access::Everybody => true,
        Access::Way(way) => identity.way == Some(*way) && identity.named.is_none(),
        Access::Named(name) => identity.named.as_ref() == Some(name),
    }
}
