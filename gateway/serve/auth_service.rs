//! The call to the service that authenticates requests (`auth.forward`). It is made like an item's: over the
//! connections of the service's upstream, within its concurrency, and counted among its attempts.

use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, Method};

use crate::admission::{Answer, AuthService, Caller, Question};
use crate::clock::{Deadline, Stopwatch};
use crate::config::ForwardAuth;
use crate::dispatch::{Attempt, Channel, Engine, Progress, ReplyBudget};
use crate::header::spelling::Spellings;
use crate::memory::MemoryReservation;
use crate::state::gateway::Gateway;
use crate::state::snapshot::Snapshot;
use crate::telemetry::TraceContext;
use crate::upstream::client::{BatchEngine, Behalf, SharedFields};

/// Longer answers count as no answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Makes the call on behalf of one caller.
pub(super) struct AuthCall<'request> {
    pub(super) gateway: &'request Arc<Gateway>,
    pub(super) snapshot: &'request Snapshot,
    pub(super) caller: &'request Caller,
    pub(super) trace: TraceContext,
}

impl AuthService for AuthCall<'_> {
    async fn ask(&self, forward: &ForwardAuth, question: Question) -> Option<Answer> {
        let deadline = Deadline::after(forward.timeout);
        // Boxed: it is large, and few requests have one.
        deadline.race(self.call(question, deadline).boxed()).await.flatten()
    }
}

impl AuthCall<'_> {
    async fn call(&self, Question { call, hop }: Question, deadline: Deadline) -> Option<Answer> {
        let Self { gateway, snapshot, caller, trace } = *self;
        let reservation = MemoryReservation::new(&gateway.memory, caller.client());
        let behalf = Behalf {
            upstreams: &snapshot.upstreams,
            client: caller.client(),
            authority: &caller.authority,
            trace,
            reservation: &reservation,
        };
        let reserved = snapshot.settings.reserved_fields();
        let (inherited, spellings) = (&HeaderMap::new(), &Spellings::default());
        let fields = SharedFields { inherited, spellings, hop: &hop, reserved };
        let engine = &BatchEngine::new(behalf, fields);
        let progress = Progress::new(Stopwatch::start());
        let budget = ReplyBudget::new(MAX_ANSWER, MAX_ANSWER);
        let _permit = match engine.try_permit(call.upstream) {
            Some(permit) => permit,
            None => engine.permit(call.upstream).await.ok()?,
        };
        let mut channel = engine.channel(call.upstream);
        progress.mark_started();
        let attempt = Attempt { progress: &progress, budget: &budget, deadline };
        let reply = channel.call(&Method::GET, &call, attempt).await;
        channel.rest();
        let reply = reply.ok()?;
        Some(Answer { status: reply.status, headers: reply.headers })
    }
}
