//! The calls around a member of a group that is undone if it fails: the GET before it, and the call that takes it back.
//! Pure.
//!
//! They go where the member's own call went, with the fields that all calls of the batch have, and of the member's own
//! fields with those that say who the caller is. All others describe the member's request, and no other one.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::clock::Stopwatch;
use crate::header::field::Fields;
use crate::header::forwarded::X_FORWARDED_PREFIX;
use crate::plan::Call;
use crate::route::{UndoRule, UpstreamIndex, names_collection};

use super::failure::CallFailure;
use super::outcome::Outcome;
use super::progress::Sent;
use super::reply::UpstreamReply;
use super::timeline::{Attempts, UndoTimes};

/// Fields of a member that the calls around it have, too.
const OF_CALLER: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, X_FORWARDED_PREFIX];

/// Fields that describe a body.
const OF_BODY: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE];

/// A resource before a member changed it.
#[derive(Debug)]
pub(super) enum Before {
    /// It was there, with this body and the fields that describe it.
    There(Fields, Bytes),
    /// It was not there.
    Gone,
}

impl Before {
    /// What the outcome of a GET before `write` says.
    ///
    /// # Errors
    /// It does not say what was there. Returns the outcome of the member, which is not sent then.
    pub(super) fn from_outcome(outcome: Outcome, write: &Call) -> Result<Self, Box<Outcome>> {
        match outcome {
            Outcome::Answered(reply)
                if reply.status == StatusCode::OK && !names_collection(&write.target) =>
            {
                let fields = OF_BODY.into_iter().filter_map(|name| {
                    let value = reply.headers.get(&name)?.clone();
                    Some((name, value))
                });
                Ok(Self::There(fields.collect(), reply.body))
            }
            Outcome::Answered(reply) if is_gone(reply.status) => Ok(Self::Gone),
            Outcome::Answered(reply) => {
                let failure = CallFailure::NoSnapshot { status: reply.status.as_u16() };
                Err(Box::new(Outcome::Failed { failure, sent: Sent::No }))
            }
            Outcome::Failed { failure, .. } => Err(Box::new(Outcome::Failed { failure, sent: Sent::No })),
            other @ (Outcome::Responded(_)
            | Outcome::Rejected(_)
            | Outcome::Skipped(_)
            | Outcome::Undone { .. }) => Err(Box::new(other)),
        }
    }
}

/// A call to where this one goes, without what it says about itself.
pub(super) fn to_same_place(call: &Call) -> Call {
    let of_caller = call.headers.iter().filter(|(name, _)| OF_CALLER.contains(name));
    Call {
        headers: of_caller.cloned().collect(),
        spellings: call.spellings.clone(),
        timeout: call.timeout,
        route: call.route,
        ..Call::new(call.upstream, call.target.clone())
    }
}

/// The GET before a call.
pub(super) fn snapshot_of(call: &Call) -> Call {
    let mut snapshot = to_same_place(call);
    // What is put back should not need to be decoded.
    snapshot.headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    snapshot
}

/// What undoing left at a url.
pub(super) struct Left {
    upstream: UpstreamIndex,
    target: Box<str>,
    tag: Option<HeaderValue>,
}

impl Left {
    /// What this call left, whose reply had these fields.
    pub(super) fn by(call: &Call, fields: &HeaderMap) -> Self {
        Self { upstream: call.upstream, target: call.target.clone(), tag: fields.get(header::ETAG).cloned() }
    }
}

/// What is known of a member that has ended.
pub(super) struct Written<'member> {
    pub(super) method: &'member Method,
    /// A call to where its own went.
    pub(super) call: &'member Call,
    /// What was there before it, if that was read.
    pub(super) before: Option<&'member Before>,
    /// Its reply; `None` if none came.
    pub(super) reply: Option<&'member UpstreamReply>,
    /// What undoing later members of its group left, the latest last.
    pub(super) left: &'member [Left],
}

/// A call that undoes another.
#[derive(Debug)]
pub(super) struct UndoCall {
    pub(super) method: Method,
    pub(super) call: Call,
    /// A reply at 400 or above that says that there is nothing left to undo.
    done: Option<AlsoDone>,
}

#[derive(Clone, Copy, Debug)]
enum AlsoDone {
    /// What was to be deleted is not there.
    Gone,
    /// What was to be put back is there.
    There,
}

/// A call can't be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Impossible;

impl UndoCall {
    /// Its times, from when it could be made to now.
    pub(super) fn times(&self, began: Stopwatch, attempts: Attempts) -> UndoTimes {
        UndoTimes {
            method: self.method.clone(),
            upstream: self.call.upstream,
            target: self.call.target.clone(),
            began,
            end: Stopwatch::start(),
            attempts,
        }
    }

    /// What undoes a member by this rule; `None` if there is nothing to undo. `locate` makes a call to the url in a
    /// Location, if that leads to the same upstream.
    ///
    /// # Errors
    /// Its reply does not say what to undo.
    pub(super) fn new(
        rule: &UndoRule,
        written: &Written<'_>,
        locate: impl FnOnce(&str, &Method, Fields) -> Option<Call>,
    ) -> Result<Option<Self>, Impossible> {
        match rule {
            UndoRule::AtLocation(method) => {
                // Any other status says something else by it: where to go on, or where to ask (RFC 9110 §10.2.2).
                let created = written.reply.filter(|reply| reply.status == StatusCode::CREATED);
                let location = created.and_then(|reply| reply.headers.get(header::LOCATION));
                let location = location.and_then(|value| value.to_str().ok()).ok_or(Impossible)?;
                let fields = to_same_place(written.call).headers;
                let fields = fields.into_iter().filter(|(name, _)| *name != X_FORWARDED_PREFIX).collect();
                let call = locate(location, method, fields).ok_or(Impossible)?;
                let done = (*method == Method::DELETE).then_some(AlsoDone::Gone);
                Ok(Some(Self { method: method.clone(), call: if_match(call, written), done }))
            }
            UndoRule::Snapshot => written.before.map(|before| put_back(before, written)).ok_or(Impossible),
        }
    }

    /// Whether a reply with this status says that all is as it was.
    pub(super) fn is_done(&self, status: StatusCode) -> bool {
        is_complete(status)
            || match self.done {
                Some(AlsoDone::Gone) => is_gone(status),
                Some(AlsoDone::There) => status == StatusCode::PRECONDITION_FAILED,
                None => false,
            }
    }
}

fn put_back(before: &Before, written: &Written<'_>) -> Option<UndoCall> {
    let call = to_same_place(written.call);
    let deleted = *written.method == Method::DELETE;
    match before {
        Before::There(fields, body) => {
            let mut call = Call { body: Some(body.clone()), ..call };
            call.headers.extend(fields.iter().cloned());
            if !deleted {
                let call = if_match(call, written);
                return Some(UndoCall { method: Method::PUT, call, done: None });
            }
            // Nobody else's new resource is overwritten. If no reply came, the old one may still be there.
            call.headers.push((header::IF_NONE_MATCH, HeaderValue::from_static("*")));
            let done = written.reply.is_none().then_some(AlsoDone::There);
            Some(UndoCall { method: Method::PUT, call, done })
        }
        Before::Gone if deleted => None,
        Before::Gone => {
            let call = if_match(call, written);
            Some(UndoCall { method: Method::DELETE, call, done: Some(AlsoDone::Gone) })
        }
    }
}

/// The call only takes effect on what the group left, so that it overwrites nobody else's change: what the member wrote, or
/// what undoing a later member of its group wrote over that.
fn if_match(mut call: Call, written: &Written<'_>) -> Call {
    let is_same = |left: &&Left| left.upstream == call.upstream && left.target == call.target;
    let tag = match written.left.iter().rev().find(is_same) {
        Some(left) => left.tag.as_ref(),
        None => written.reply.and_then(|reply| reply.headers.get(header::ETAG)),
    };
    let tag = tag.cloned();
    call.headers.extend(tag.map(|tag| (header::IF_MATCH, tag)));
    call
}

/// Success, and not only a promise (202) or a part of it (207: RFC 4918 §9.6.1).
fn is_complete(status: StatusCode) -> bool {
    status.is_success() && !matches!(status, StatusCode::ACCEPTED | StatusCode::MULTI_STATUS)
}

fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}
