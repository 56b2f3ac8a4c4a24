//! Items and the routes that only clients of one way of `auth` have access to: a batch is not a way around it.

use super::identity::Identity;
use crate::batch::{AdmissionRefusal, ItemRejection};
use crate::config::RoutePolicy;
use crate::plan::{PlannedItem, Step};

/// Rejects the items whose route wants another credential than the one that came with the batch.
pub(crate) fn check_routes(items: &mut [PlannedItem], policies: &[RoutePolicy], identity: &Identity) {
    for item in items {
        let policy = item.route.and_then(|route| policies.get(route.0));
        let wanted = policy.and_then(|policy| policy.auth?.only());
        let is_known = wanted.is_none() || wanted == identity.way;
        if !is_known && !matches!(item.step, Step::Rejected(_)) {
            item.step = Step::Rejected(ItemRejection::NotAdmitted(AdmissionRefusal::Forbidden));
        }
    }
}
