//! A call with references to results of other items.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::call::Call;
use super::routing::{PlanContext, Seeker, check_body, map_references};
use crate::batch::{ItemId, ItemIndex, ItemRejection};
use crate::header::field::Fields;
use crate::header::spelling::Spellings;
use crate::reference::template::Template;
use crate::route::{RouteAction, RouteIndex, UpstreamIndex};

/// The items that a template refers to, by id.
pub type Sources = Vec<(ItemId, ItemIndex)>;

/// A call that is complete once the results are there that it refers to.
#[derive(Debug, PartialEq)]
pub struct CallTemplate {
    /// Where it goes; `None` if it refers to the Location of an item that calls no upstream.
    pub destination: Option<Destination>,
    /// Its method.
    pub method: Method,
    /// Its url as given.
    pub href: Box<str>,
    /// Where the references are.
    pub template: Box<Template>,
    /// Its fields as given.
    pub headers: Fields,
    /// How the names of these fields were spelt.
    pub spellings: Spellings,
    /// Its body as given.
    pub body: Option<Bytes>,
    /// Its own time limit.
    pub timeout: Option<Duration>,
    /// The items that it refers to.
    pub sources: Sources,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The route that its url has to meet.
    pub route: RouteIndex,
    /// That route's upstream.
    pub upstream: UpstreamIndex,
}

/// A template with its references filled in.
#[derive(Debug)]
pub struct Filled {
    /// The url.
    pub href: String,
    /// The fields.
    pub headers: Fields,
    /// The body.
    pub body: Option<Bytes>,
}

impl CallTemplate {
    /// The position of an item that this one refers to.
    #[must_use]
    pub fn source(&self, id: &ItemId) -> Option<ItemIndex> {
        self.sources.iter().find(|(other, _)| other == id).map(|(_, index)| *index)
    }

    /// The call with its references filled in.
    ///
    /// # Errors
    /// Says why the filled item is rejected: its url does not match the template's route, or the url in one of its
    /// fields is not allowed.
    pub fn call(&self, filled: Filled, context: &PlanContext<'_>) -> Result<Call, ItemRejection> {
        let seeker = Seeker { method: &self.method, headers: &filled.headers };
        let found = context.find_route(&filled.href, seeker)?;
        let same = self.destination.is_some_and(|destination| destination.route == found.index);
        let (true, RouteAction::Forward { upstream, mapping }) = (same, &found.route.action) else {
            return Err(ItemRejection::ForbiddenUrl {
                problem: "leads to another route once its references are filled in",
            });
        };
        check_body(found.route, filled.body.as_ref())?;
        let route = Some(found.index);
        let (upstream, target, timeout) = (*upstream, found.url.to_upstream(mapping), self.timeout);
        let (Filled { headers, body, .. }, spellings) = (filled, self.spellings.clone());
        let references = Vec::new();
        let call = Call { upstream, route, target, headers, spellings, references, body, timeout };
        map_references(call, &self.method, mapping, context)
    }
}
