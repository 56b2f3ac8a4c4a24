//! What the legacy API objects to, and with which status.

use http::StatusCode;

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The body is no JSON, XML or UTF-8.
    #[error("the body is malformed: {0}")]
    Malformed(String),
    /// The body is well-formed but no order.
    #[error("the body is no order: {0}")]
    NotAnOrder(String),
    /// No resource can be here.
    #[error("there is nothing at {0}")]
    NoSuchPath(String),
    /// There could be one, but there is none.
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
        /// What was asked for.
        wanted: &'static str,
    },
    /// A precondition does not hold.
    #[error("the resource is not the one that the precondition means")]
    PreconditionFailed,
    /// The body's media type is none that is taken here.
    #[error("bodies here are {taken}")]
    UnsupportedType {
        /// The media types taken.
        taken: &'static str,
    },
    /// Some things are just broken.
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
