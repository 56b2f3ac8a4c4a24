//! What the calls of one batch share, on whose behalf they are made and what their fields are made of; and what one of
//! them adds.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use http::Method;
use http::header::{HeaderMap, HeaderName};

use crate::clock::Deadline;
use crate::config::HeaderChanges;
use crate::dispatch::Attempt;
use crate::header::forwarded::ForwardedBy;
use crate::header::inherit::CallHeaders;
use crate::header::spelling::Spellings;
use crate::limiter::Client;
use crate::memory::MemoryReservation;
use crate::plan::Call;
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
}

impl<'batch> SharedFields<'batch> {
    /// What the heads of the calls to one upstream share.
    pub(super) fn for_upstream(&self, upstream: &'batch Upstream) -> SharedHead<'batch> {
        let changes = &upstream.settings.headers;
        let remove = [&changes.remove, self.reserved].concat();
        let headers = CallHeaders::new(self.inherited, &remove, &changes.set, self.hop);
        let headers = headers.without_of_items(upstream.settings.deadline_header.as_ref());
        SharedHead { headers, changes, spellings: self.spellings, lines: OnceLock::new() }
    }
}

/// What the heads of a batch's calls to one upstream share.
pub(super) struct SharedHead<'batch> {
    /// Their fields.
    pub(super) headers: CallHeaders,
    /// The fields that the configuration sets, whose names it spells.
    changes: &'batch HeaderChanges,
    /// How the names of these fields were spelt.
    spellings: &'batch Spellings,
    /// Their lines over HTTP/1.1, made for the first call.
    lines: OnceLock<SharedLines>,
}

impl SharedHead<'_> {
    /// The shared fields as lines of a head over HTTP/1.1, their names as they are written.
    pub(super) fn lines(&self) -> &SharedLines {
        self.lines.get_or_init(|| {
            let spellings = |name: &HeaderName| self.changes.spellings_of(name, self.spellings);
            SharedLines::new(self.headers.all_shared(), spellings)
        })
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
    pub(super) upstream: &'batch Upstream,
    pub(super) head: &'batch SharedHead<'batch>,
}

impl<'batch> Calls<'batch> {
    /// What `consistent_hash` chooses a target by, for this call.
    pub(super) fn hash_key<'call>(self, call: &'call Call) -> Cow<'call, [u8]>
    where
        'batch: 'call,
    {
        let field = |name: &HeaderName| {
            let own = call.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value);
            own.or_else(|| self.head.headers.shared(name))
        };
        self.upstream.hash_key(field, &call.target)
    }
}
