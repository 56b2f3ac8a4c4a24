//! What the calls of one batch share, on whose behalf they are made and what their fields are made of; and what one of
//! them adds.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Method;
use http::header::{HeaderMap, HeaderName};

use crate::clock::Deadline;
use crate::config::RoutePolicy;
use crate::dispatch::Attempt;
use crate::header::changes::HeaderChanges;
use crate::header::forwarded::ForwardedBy;
use crate::header::inherit::CallHeaders;
use crate::header::spelling::Spellings;
use crate::header::variables::Variables;
use crate::limiter::Client;
use crate::memory::MemoryReservation;
use crate::plan::Call;
use crate::route::RouteIndex;
use crate::telemetry::TraceContext;
use crate::upstream::instance::Upstream;

use super::head_lines::SharedLines;

/// On whose behalf calls are made.
#[derive(Clone, Copy)]
pub(crate) struct Behalf<'batch> {
    /// The upstreams of the configuration under which the batch came.
    pub(crate) upstreams: &'batch [Arc<Upstream>],
    /// Whose share of permits the calls take.
    pub(crate) client: Client,
    /// What the client called the gateway.
    pub(crate) authority: &'batch str,
    pub(crate) trace: TraceContext,
    /// What the batch holds in memory. Replies are added to it.
    pub(crate) reservation: &'batch MemoryReservation<'batch>,
}

/// The fields that all calls of a batch have unless an upstream's configuration says otherwise.
#[derive(Clone, Copy)]
pub(crate) struct SharedFields<'batch> {
    /// What the calls inherit from the outer request.
    pub(crate) inherited: &'batch HeaderMap,
    /// How the names of these fields were spelt.
    pub(crate) spellings: &'batch Spellings,
    /// What the gateway says about the hop.
    pub(crate) hop: &'batch ForwardedBy,
    /// Fields that only the service that authenticates clients may set. No item may.
    pub(crate) reserved: &'batch [HeaderName],
    /// What the variables in configured fields are.
    pub(crate) variables: Variables<'batch>,
    /// What each route decides; a route's index points here.
    pub(crate) policies: &'batch [RoutePolicy],
}

impl<'batch> SharedFields<'batch> {
    /// What the heads of the calls to one upstream share that get and lose these fields.
    pub(super) fn head(&self, upstream: &Upstream, changes: &HeaderChanges) -> SharedHead {
        let remove = [&changes.remove, self.reserved].concat();
        let set = changes.fields(self.variables);
        let headers = CallHeaders::new(self.inherited, &remove, &set, self.hop);
        let headers = headers.without_of_items(upstream.settings.deadline_header.as_ref());
        SharedHead { headers, lines: OnceLock::new() }
    }

    /// What the route of a call decides.
    fn policy(&self, call: &Call) -> Option<&'batch RoutePolicy> {
        self.policies.get(call.route?.0)
    }
}

/// What the heads of some of a batch's calls share.
pub(super) struct SharedHead {
    /// Their fields.
    pub(super) headers: CallHeaders,
    /// Their lines over HTTP/1.1, made for the first call.
    lines: OnceLock<SharedLines>,
}

/// What the heads of a batch's calls to each route share that has changes of its own. Empty until the first of these calls.
#[derive(Default)]
pub(super) struct RouteHeads(OnceLock<Vec<RouteHead>>);

struct RouteHead {
    route: RouteIndex,
    head: OnceLock<SharedHead>,
}

impl RouteHeads {
    fn find(&self, route: RouteIndex, policies: &[RoutePolicy]) -> Option<&OnceLock<SharedHead>> {
        let all = self.0.get_or_init(|| {
            let routes = policies.iter().zip((0..).map(RouteIndex));
            let with_changes = routes.filter(|(policy, _)| policy.request_headers.is_some());
            with_changes.map(|(_, route)| RouteHead { route, head: OnceLock::new() }).collect()
        });
        all.iter().find(|head| head.route == route).map(|found| &found.head)
    }
}

/// One call in progress: its request and its terms.
#[derive(Clone, Copy)]
pub(super) struct Sending<'call> {
    pub(super) method: &'call Method,
    pub(super) call: &'call Call,
    pub(super) attempt: Attempt<'call>,
    /// An attempt that is dropped after this was too slow, which the circuit breaker counts; before it, it was merely
    /// unwanted. `None`: it never counts.
    pub(super) patience: Option<Deadline>,
}

/// What the calls of one batch to one upstream share.
#[derive(Clone, Copy)]
pub(super) struct Calls<'batch> {
    pub(super) behalf: Behalf<'batch>,
    pub(super) fields: &'batch SharedFields<'batch>,
    pub(super) upstream: &'batch Upstream,
    /// For calls whose route changes nothing.
    pub(super) head: &'batch SharedHead,
    pub(super) heads: &'batch RouteHeads,
}

impl<'batch> Calls<'batch> {
    /// What `consistent_hash` chooses a target by, for this call.
    pub(super) fn hash_key<'call>(self, call: &'call Call) -> Cow<'call, [u8]>
    where
        'batch: 'call,
    {
        let field = |name: &HeaderName| {
            let own = call.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value);
            own.or_else(|| self.head_of(call).headers.shared(name))
        };
        self.upstream.hash_key(field, &call.target)
    }

    /// The fields that the configuration sets and removes in this call.
    fn changes_of(self, call: &Call) -> &'batch HeaderChanges {
        let of_route = self.fields.policy(call).and_then(|policy| policy.request_headers.as_ref());
        of_route.unwrap_or(&self.upstream.settings.headers)
    }

    /// What the heads of this call and of others like it share.
    pub(super) fn head_of(self, call: &Call) -> &'batch SharedHead {
        let has_changes = self.fields.policy(call).is_some_and(|policy| policy.request_headers.is_some());
        let of_route = call.route.filter(|_| has_changes);
        match of_route.and_then(|route| self.heads.find(route, self.fields.policies)) {
            Some(head) => head.get_or_init(|| self.fields.head(self.upstream, self.changes_of(call))),
            None => self.head,
        }
    }

    /// The shared fields as lines of a head over HTTP/1.1, their names as they are written.
    pub(super) fn lines_of(self, call: &Call) -> &'batch SharedLines {
        let head = self.head_of(call);
        head.lines.get_or_init(|| {
            let changes = self.changes_of(call);
            let spellings = |name: &HeaderName| changes.spellings_of(name, self.fields.spellings);
            SharedLines::new(head.headers.all_shared(), spellings)
        })
    }

    /// How long this call may take.
    pub(super) fn timeout_of(self, call: &Call) -> Duration {
        let of_route = self.fields.policy(call).and_then(|policy| policy.timeout);
        of_route.unwrap_or(self.upstream.settings.timeout).item
    }
}
