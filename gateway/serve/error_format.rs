//! How a client learns that something went wrong: from a problem detail (RFC 9457), in the format and dialect of its batch,
//! or from a status of gRPC. Which one it is follows from the request's target, before anything can fail.

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version};

use crate::config::ReplyFormat;
use crate::dialect::{Dialect, InputFormat};
use crate::format::{Accept, EncodedBody, write_problem};
use crate::header::PROXY_STATUS;
use crate::header::retry_after;
use crate::problem::ErrorReply;

use super::grpc::{self, is_grpc};
use super::reply::Reply;

/// How a client learns that something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// A single request gets a problem detail.
    Problem,
    /// A call of gRPC gets 200 and a status of its own.
    Grpc,
    /// A batch gets what its dialect has for errors. Once the input's format is known, the error is in it, whatever
    /// Content-Type says.
    Batch { dialect: Dialect, reply: ReplyFormat, input: Option<InputFormat> },
}

impl ErrorFormat {
    /// The format for a request that is not known to be a batch.
    pub(crate) fn of_request(request: &Parts) -> Self {
        if request.version == Version::HTTP_2 && is_grpc(request) { Self::Grpc } else { Self::Problem }
    }

    /// The reply to a request with these fields.
    pub(super) fn reply<'gateway>(self, error: &ErrorReply, request: &HeaderMap) -> Reply<'gateway> {
        let status = if self == Self::Grpc { StatusCode::OK } else { error.problem.status };
        let mut reply = Reply::new(status, self.body(error, request))
            .with(header::ALLOW, error.allow.clone())
            .with(header::ACCEPT_ENCODING, error.accept_encoding.map(str::to_owned))
            .with(header::WWW_AUTHENTICATE, error.challenge.clone())
            .with(header::RETRY_AFTER, error.retry_after.map(retry_after::write))
            .with(PROXY_STATUS, Some(error.proxy_status()));
        reply.fields.extend(error.fields.iter().cloned());
        match self {
            Self::Problem => {}
            Self::Grpc => {
                let content_type = HeaderValue::from_static("application/grpc");
                reply.fields.push((header::CONTENT_TYPE, content_type));
                reply.fields.extend(grpc::refusal(error.problem.status, &error.problem.detail));
            }
            Self::Batch { dialect, .. } => {
                reply.fields.extend(dialect.reply_fields(request));
                reply.fields.extend(dialect.error_form().fields(&error.problem));
            }
        }
        reply
    }

    pub(super) fn body(self, error: &ErrorReply, request: &HeaderMap) -> EncodedBody {
        match self {
            Self::Grpc => EncodedBody::from_bytes(Bytes::new()),
            Self::Problem => write_problem(&Accept::from_headers(request), None, &error.problem),
            Self::Batch { dialect, reply, input } => {
                let accept = reply.accept(request);
                let known = input.map(|input| input.usual_reply().media_type());
                let content_type = known.or_else(|| content_type(request));
                dialect.write_problem(&accept, content_type, &error.problem)
            }
        }
    }
}

/// The request's Content-Type. A value that is not valid text counts as present.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"))
}
