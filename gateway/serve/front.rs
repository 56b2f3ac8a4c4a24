//! The front: the adapter between the listeners, which read the heads of requests, and the handlers. Every request comes in
//! here, with its head read, and leaves with one reply and one record.
//!
//! In: a [`Session`]. Out: the client's connection, if it can be used again. The front checks the head, finds the
//! target, authenticates the caller, calls the target's handler, has its reply written and recorded. It knows
//! nothing of what a handler does.

use std::sync::Arc;

use http::StatusCode;
use pingora::apps::ReusedHttpStream;

use crate::listener::request_handler::RequestHandler;
use crate::problem::{self, ErrorReply};
use crate::session::{ResetReason, Session, StreamKind};
use crate::state::gateway::Gateway;
use crate::upstream::error;

use super::context::Context;
use super::handled::Handled;
use super::limits_document::limits_document;
use super::reply::Reply;
use super::respond::respond;
use super::target::Target;
use super::validate::NO_WEBSOCKET;
use super::{batch, forward, https, stream, validate};

/// The front of a gateway.
pub(crate) struct Front {
    gateway: Arc<Gateway>,
}

impl RequestHandler for Front {
    async fn handle(&self, mut session: Session) -> Option<ReusedHttpStream> {
        let mut context = Context::new(&self.gateway, &session);
        self.prepare(&mut session, &context);
        let left = match self.answer(&mut session, &mut context).await {
            Ok(Handled::Reply(reply)) => respond(&mut session, &mut context, Ok(reply)).await.map(|()| true),
            Err(error) => respond(&mut session, &mut context, Err(error)).await.map(|()| true),
            Ok(Handled::Streamed(sent)) => sent.map(|()| true),
            Ok(Handled::Forwarded | Handled::BrokenOff) => Ok(false),
            Ok(Handled::Upgraded(tunnel)) => {
                let seen = session.seen().into_owned();
                context.request.lasted = Some(tunnel.carry(&self.gateway, session).await);
                context.record(&seen);
                return None;
            }
        };
        if let Err(error) = &left {
            if error::is_client_stalled(error) {
                context.client_stood_still(&session);
            }
            context.client_left();
            session.break_off(ResetReason::CANCEL);
        }
        context.record(&session.seen());
        if left.is_ok_and(|is_ours| is_ours) {
            session.linger().await;
        }
        session.finish().await
    }
}

impl Front {
    pub(crate) const fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    fn prepare(&self, session: &mut Session, context: &Context) {
        let limits = &context.snapshot.settings.limits;
        session.set_write_timeout(limits.write_timeout);
        if let Some(connection) = session.connection() {
            connection.stop_watching();
        }
        if self.gateway.is_draining() {
            // The client comes back over a new connection: at another gateway, or at this one's successor.
            session.close_after_reply();
        } else {
            session.keep_alive_for(limits.keepalive_timeout);
        }
    }

    /// Finds a request's target and has it handled.
    ///
    /// # Errors
    /// The request is refused, or has no reply for another reason; nothing has been written.
    async fn answer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Handled<'_>, Box<ErrorReply>> {
        let snapshot = Arc::clone(&context.snapshot);
        let settings = &snapshot.settings;
        validate::check(session, &settings.limits)?;
        let redirected = https::redirected(session, context);
        if let Some(reply) = redirected.map_err(|rejection| Box::new(problem::of_request(&rejection)))? {
            return Ok(Handled::Reply(reply));
        }
        let target = Target::find(settings, session.req_header());
        let target = target.map_err(|rejection| Box::new(problem::of_request(&rejection)))?;
        context.goes_to(&target, session.req_header());
        if let Some(changes) = target.response_headers(settings) {
            session.change_reply(changes, context.caller.variables());
        }
        if target.compresses(settings) {
            session.offer_compression(Arc::clone(&self.gateway.encoders));
        }
        let admitted = context.authenticate(session.req_header(), &target).await;
        admitted.map_err(|refusal| Box::new(problem::of_admission(&refusal)))?;
        if session.kind() == StreamKind::WebSocket && !matches!(target, Target::Route(_)) {
            return Err(Box::new(problem::of_request(&NO_WEBSOCKET)));
        }
        match target {
            Target::Gateway => Ok(Handled::Reply(Reply::without_body(StatusCode::NO_CONTENT))),
            Target::Preflight(preflight) => {
                context.request.route = preflight.route;
                let fields = preflight.fields(&session.req_header().headers);
                Ok(Handled::Reply(Reply::without_body(StatusCode::NO_CONTENT).with_all(fields)))
            }
            Target::LimitsDocument(endpoint) => {
                Ok(Handled::Reply(Reply::new(StatusCode::OK, limits_document(endpoint))))
            }
            Target::Batch(entry) => batch::serve(&self.gateway, session, context, entry).await,
            Target::Stream(endpoint) => stream::serve(&self.gateway, session, context, endpoint).await,
            Target::Route(target) => forward::serve(session, context, target).await,
        }
    }
}
