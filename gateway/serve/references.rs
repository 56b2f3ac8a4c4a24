//! Fills in the references of items for the dispatcher, by what the request's configuration and its caller say.

use crate::dispatch::{Answers, Resolver, Surroundings, Unfit, resolve};
use crate::plan::{Call, CallTemplate, PlanContext};

use super::runner::Runner;

impl Resolver for Runner<'_> {
    fn resolve(&self, template: &CallTemplate, answers: &mut Answers<'_>) -> Result<Call, Unfit> {
        let (snapshot, authority) = (self.snapshot, &self.request.caller.authority);
        let plan = PlanContext {
            routes: &snapshot.settings.routes,
            own_authority: authority,
            is_batch_endpoint: &|path| snapshot.settings.batch_endpoint(path).is_some(),
            // The template holds the route that it has to meet.
            only_route: None,
        };
        let is_upstream = |upstream, name: &str| snapshot.goes_by(upstream, name, authority);
        let own_origin = &self.request.caller.origin();
        resolve(template, answers, &Surroundings { plan, own_origin, is_upstream: &is_upstream })
    }
}
