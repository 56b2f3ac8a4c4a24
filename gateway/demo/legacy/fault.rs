//! The errors of the legacy API, and their statuses.

use http::StatusCode;

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The body is not JSON, XML or UTF-8.
    #[error("the body is malformed: {0}")]
    Malformed(String),
    /// The body is well-formed but not an order.
    #[error("the body is not an order: {0}")]
    NotAnOrder(String),
    /// The path never has a resource.
    #[error("there is nothing at {0}")]
    NoSuchPath(String),
    /// The resource does not exist.
    #[error("there is no {what} {id}")]
    NoSuch {
        /// `order`, `note`, `picture`.
        what: &'static str,
        /// Its number.
        id: u32,
    },
    /// The resource has other methods.
    #[error("the methods here are {allowed}")]
    MethodNotAllowed {
        /// The value of `Allow`.
        allowed: &'static str,
    },
    /// An order can't go from its state to that one.
    #[error("order {id} is {is} and can't be {wanted}")]
    Conflict {
        /// The order's number.
        id: u32,
        /// Its state.
        is: &'static str,
        /// The state that was asked for.
        wanted: &'static str,
    },
    /// A precondition failed.
    #[error("the resource is not the one that the precondition means")]
    PreconditionFailed,
    /// The body's media type is not supported here.
    #[error("bodies here are {taken}")]
    UnsupportedType {
        /// The supported media types.
        taken: &'static str,
    },
    /// A resource that always fails.
    #[error("the database of 1998 is locked")]
    Broken,
}

impl Fault {
    /// The status of the response.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotAnOrder(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoSuchPath(_) | Self::NoSuch { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::UnsupportedType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
