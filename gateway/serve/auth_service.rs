//! The call to the service that authenticates requests (`auth.forward`). It is made like an item's: over the
//! connections of the service's upstream, within its concurrency, and counted among its attempts.

use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, Method};

use crate::admission::{Answers, AuthService, FetchedKeys, Passwords, Question};
use crate::clock::{Deadline, Stopwatch};
use crate::config::{ForwardAuth, JwksUrl};
use crate::dispatch::{Attempt, Channel, Engine, Progress, ReplyBudget, UpstreamReply};
use crate::header::spelling::Spellings;
use crate::memory::MemoryReservation;
use crate::telemetry::AskedService;
use crate::upstream::client::{BatchEngine, Behalf, SharedFields};

use super::context::Context;

/// Longer answers count as no answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;

impl AuthService for Context {
    fn passwords(&self) -> &Passwords {
        &self.gateway().passwords
    }

    fn fetched_keys(&self, source: &JwksUrl) -> Option<Arc<FetchedKeys>> {
        self.snapshot.fetched_keys.iter().find(|keys| keys.are_from(source)).map(Arc::clone)
    }

    fn answers(&self, forward: &ForwardAuth) -> Option<&Answers> {
        self.snapshot.answers.iter().find(|answers| answers.are_of(forward)).map(Arc::as_ref)
    }

    async fn ask(&self, forward: &ForwardAuth, question: Question) -> Option<UpstreamReply> {
        let deadline = Deadline::after(forward.timeout);
        let progress = Progress::new(Stopwatch::start());
        let (upstream, target) = (question.call.upstream, question.call.target.clone());
        let attempt =
            Attempt { progress: &progress, budget: &ReplyBudget::new(MAX_ANSWER, MAX_ANSWER), deadline };
        // Boxed: it is large, and few requests have one.
        let reply = deadline.race(call(self, question, attempt).boxed()).await.flatten();
        // It is asked once, because a request is authenticated once.
        let _ = self.asked.set(AskedService { upstream, target, timeline: progress.take_timeline() });
        reply
    }
}

/// Makes the call on behalf of the caller.
async fn call(
    context: &Context,
    Question { call, hop }: Question,
    attempt: Attempt<'_>,
) -> Option<UpstreamReply> {
    let Context { snapshot, caller, trace, .. } = context;
    let reservation = MemoryReservation::new(&context.gateway().memory, caller.client());
    let behalf = Behalf {
        upstreams: &snapshot.upstreams,
        client: caller.client(),
        authority: &caller.authority,
        trace: *trace,
        reservation: &reservation,
    };
    let reserved = snapshot.settings.reserved_fields();
    let (inherited, spellings) = (&HeaderMap::new(), &Spellings::default());
    let fields = SharedFields {
        inherited,
        spellings,
        hop: &hop,
        reserved,
        variables: caller.variables(),
        policies: &[],
    };
    let engine = &BatchEngine::new(behalf, fields);
    let _permit = match engine.try_permit(call.upstream) {
        Some(permit) => permit,
        None => engine.permit(call.upstream).await.ok()?,
    };
    let mut channel = engine.channel(call.upstream);
    attempt.progress.mark_started();
    let reply = channel.call(&Method::GET, &call, attempt).await;
    channel.rest();
    reply.ok()
}
