//! A request on its way: its state, the resources that it holds, and the rules for both of its directions.
//!
//! `attempts`, `head` and `relay` carry it on, each with methods of its own.

use std::sync::Arc;

use pingora::http::ResponseHeader;

use crate::clock::{Deadline, Stopwatch};
use crate::dispatch::{CallFailure, ConnectNotes, Sent, Timeline};
use crate::limiter::{FairLimiter, Permit};
use crate::session::Session;
use crate::telemetry::{GrpcStatus, LongLivedEnd, LongLivedKind};
use crate::upstream::error;
use crate::upstream::failover::Failover;
use crate::upstream::lease::Lease;
use crate::upstream::retry::{Lost, Retries, Retry};

use super::lasting::Lasting;
use super::outcome::{Ended, Failure};
use super::plan::Job;
use super::request;
use super::upload::{FromClient, Upload};
use super::upstream::{ReplyReader, RequestWriter};

/// A request on its way.
pub(super) struct Exchange<'exchange> {
    pub(super) job: Job<'exchange>,
    pub(super) session: &'exchange mut Session,
    /// Held until the end of the reply, or until the exchange [lasts](super::lasting): until then the service works on it.
    pub(super) permit: Option<Permit<Arc<FairLimiter>>>,
    pub(super) lasting: Option<Lasting>,
    /// How it ended, if it lasted.
    pub(super) lasted: Option<LongLivedEnd>,
    pub(super) grpc_status: Option<GrpcStatus>,
    /// When it had its permit, and the attempts that have come to a reply or an end.
    pub(super) timeline: Timeline,
    pub(super) connects: ConnectNotes,
    pub(super) upload: Upload,
    pub(super) retries: Retries<'exchange>,
    pub(super) failover: Failover<'exchange>,
    /// Whether something of the request may have reached a service.
    sent: Sent,
    /// Why an attempt was lost: the first one, or a later one that was sent in part. An attempt that was not sent at all
    /// does not replace the one before.
    pub(super) lost: Option<CallFailure>,
    /// A reply after which the request was sent once more. It is the client's if the attempts after it bring nothing.
    pub(super) kept: Option<Box<Replied>>,
    /// When `timeout.request` expires.
    pub(super) ends: Deadline,
}

/// A request whose head was sent.
pub(super) struct Begun {
    pub(super) writer: RequestWriter,
    pub(super) reader: ReplyReader,
    pub(super) lease: Lease,
    /// Its connection has carried a request before.
    pub(super) reused: bool,
    /// Writing it has failed. The reply may say why; if there is none, reading it fails too.
    pub(super) is_writer_broken: bool,
}

/// A reply whose head is here.
pub(super) struct Replied {
    pub(super) head: ResponseHeader,
    pub(super) begun: Begun,
}

/// What an attempt has brought.
pub(super) enum Attempted {
    Replied(Box<Replied>),
    Again(Retry),
    Ended(Ended),
}

impl<'exchange> Exchange<'exchange> {
    pub(super) fn new(
        job: Job<'exchange>,
        session: &'exchange mut Session,
        permit: Permit<Arc<FairLimiter>>,
        upload: Upload,
    ) -> Self {
        let Job { upstream, context, plan, .. } = job;
        let retries = Retries::new(upstream, &session.req_header().method);
        Self {
            job,
            session,
            permit: Some(permit),
            lasting: None,
            lasted: None,
            grpc_status: None,
            timeline: Timeline { permit: Some(Stopwatch::start()), ..Timeline::not_started(context.began()) },
            connects: ConnectNotes::new(),
            upload,
            retries,
            failover: Failover::new(upstream, plan.key.as_slice().into()),
            sent: Sent::No,
            lost: None,
            kept: None,
            ends: Deadline::after(job.plan.timeout.request()),
        }
    }

    /// Something of the request may have reached a service.
    pub(super) const fn was_sent(&mut self) {
        self.sent = Sent::Maybe;
    }

    /// The exchange has failed, and the client has nothing yet.
    pub(super) const fn failed(&self, failure: CallFailure) -> Ended {
        Ended::Failed(Failure::Call(failure, self.sent))
    }

    /// The last attempt was lost, and no other follows.
    pub(super) fn gave_up(&self, failure: CallFailure) -> Attempted {
        Attempted::Ended(self.failed(self.lost.unwrap_or(failure)))
    }

    /// Remembers that an attempt was lost.
    pub(super) const fn note(&mut self, lost: Lost) {
        if lost.is_sent {
            self.was_sent();
        }
        if lost.is_sent || self.lost.is_none() && self.kept.is_none() {
            self.lost = Some(lost.failure);
        }
    }

    /// When `timeout.request` expires. Long-lived exchanges have none; a stream has one if it was configured.
    pub(super) fn limit_in_all(&self) -> Option<Deadline> {
        match self.lasting.as_ref().map(|lasting| lasting.kind) {
            _ if self.job.plan.is_grpc => None,
            None => Some(self.ends),
            Some(LongLivedKind::Stream) => self.job.plan.timeout.stream().map(|_| self.ends),
            Some(
                LongLivedKind::Websocket | LongLivedKind::Upgrade | LongLivedKind::Sse | LongLivedKind::Grpc,
            ) => None,
        }
    }

    /// Takes what the client did. Returns the exchange's end if that is one.
    pub(super) fn take_from_client(
        &mut self,
        from_client: FromClient,
        writer: &mut RequestWriter,
    ) -> Option<Ended> {
        match from_client {
            FromClient::Piece(piece) => {
                if let Some(lasting) = &self.lasting {
                    lasting.open.count_to_upstream(piece.len());
                }
                self.upload.take(piece, writer);
                if !self.upload.is_held() {
                    self.retries.body_is_gone();
                }
                None
            }
            FromClient::End(trailers) => {
                let request = self.session.req_header();
                let trailers = trailers.and_then(|trailers| request::trailers(&trailers, request, self.job));
                self.upload.end(trailers, writer);
                None
            }
            FromClient::Gone => Some(Ended::ClientGone),
            FromClient::Wrong(failure) => Some(Ended::Failed(failure)),
            FromClient::TooSlow => {
                let limit = self.job.context.snapshot.settings.limits.body_timeout;
                Some(Ended::Failed(Failure::BodyTimeout(limit)))
            }
            FromClient::Broken(error) => Some(match error::fault_of(&error) {
                Some(fault) => Ended::Failed(Failure::BodyMalformed(fault)),
                None if error::breaks_framing(&error) => Ended::Failed(Failure::BodyUnreadable),
                None => Ended::ClientGone,
            }),
        }
    }

    /// Holds the exchange as a stream from here on. Returns whether there was room for one more.
    pub(super) fn begin_stream(&mut self) -> bool {
        let kind = if self.job.plan.is_grpc { LongLivedKind::Grpc } else { LongLivedKind::Stream };
        self.begin_lasting(kind).is_ok()
    }

    /// Holds the exchange as one that lasts from here on: it gives its permit back.
    ///
    /// # Errors
    /// There is no room for one more.
    pub(super) fn begin_lasting(&mut self, kind: LongLivedKind) -> Result<(), CallFailure> {
        self.lasting = Some(Lasting::begin(self.job, kind)?);
        self.permit = None;
        Ok(())
    }

    /// Gives up an attempt. Its connection is not used again, or its stream is reset.
    pub(super) async fn abandon(&self, begun: Begun) -> Lease {
        let Begun { mut writer, reader, lease, .. } = begun;
        writer.abandon();
        reader.abandon(&self.job.upstream.connections, lease.peer()).await;
        lease
    }
}
