//! The problems that a message can have, in words for people, and the status of the reply.

use http::StatusCode;
use thiserror::Error;

/// A message that breaks the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{flaw} (at byte {place} of the message)")]
pub struct Fault {
    /// The problem.
    pub flaw: Flaw,
    /// Where, in bytes from the start of the message.
    pub place: u64,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// The client started TLS.
    #[error("a TLS handshake arrived where plain HTTP is expected")]
    TlsHandshake,
    /// More than one empty line before a request.
    #[error("more than one empty line precedes the request line")]
    EmptyLines,
    /// The request line has not three parts with one space between them.
    #[error("the request line is not a method, a target and a version with one space between them")]
    RequestLine,
    /// The method is not a token.
    #[error("the method has a character that is not allowed in a method")]
    Method,
    /// The target has a form or a character that is not allowed.
    #[error(
        "the request target is not a path or an http url, or has a character that must be percent-encoded"
    )]
    Target,
    /// The target has a fragment, which a parser would cut off: `DELETE /folder/#file` would delete the folder.
    #[error("the request target has a fragment (`#`)")]
    Fragment,
    /// The target is too long.
    #[error("the request target is longer than limits.target_bytes")]
    TargetTooLong,
    /// The version is not a version of HTTP.
    #[error("the version is malformed")]
    Version,
    /// A version other than 1.0 and 1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    UnsupportedVersion,
    /// The status line of a reply.
    #[error("the reply does not begin with a status line")]
    StatusLine,
    /// A LF without a CR before it.
    #[error("a line ends with a bare LF")]
    BareLineFeed,
    /// A CR without a LF after it.
    #[error("a CR is not followed by a LF")]
    BareCarriageReturn,
    /// A line that begins with a blank.
    #[error("a field line is folded (it begins with a blank)")]
    FoldedField,
    /// A line without a colon.
    #[error("a field line has no colon")]
    NoColon,
    /// A field without a name, or with characters that are not allowed in a name.
    #[error("a field name is empty or has a character that is not allowed in a field name")]
    FieldName,
    /// A control character in a value.
    #[error("a field value has a control character")]
    FieldValue,
    /// The head is too large.
    #[error("the header section is larger than limits.header_bytes")]
    HeadTooLarge,
    /// There are too many fields.
    #[error("the header section has more fields than limits.header_fields")]
    TooManyFields,
    /// HTTP/1.1 without Host.
    #[error("the request has no Host")]
    NoHost,
    /// More than one Host.
    #[error("the request has more than one Host")]
    TwoHosts,
    /// Host is not a host.
    #[error("Host is not a valid host")]
    BadHost,
    /// Content-Length is not a number.
    #[error("Content-Length is not a single number")]
    BadLength,
    /// More than one Content-Length.
    #[error("there is more than one Content-Length")]
    TwoLengths,
    /// A transfer coding other than chunked.
    #[error("Transfer-Encoding is not `chunked`, the only transfer coding that the gateway supports")]
    UnknownCoding,
    /// A malformed Transfer-Encoding, or one that does not end with chunked: the end of the body can't be known.
    #[error("Transfer-Encoding is malformed, or does not end with chunked")]
    BadCoding,
    /// HTTP/1.0 has no transfer codings.
    #[error("Transfer-Encoding is not allowed in HTTP/1.0")]
    CodingInHttp10,
    /// Two framings at once.
    #[error("there is a Content-Length and a Transfer-Encoding")]
    LengthAndCoding,
    /// The size of a chunk.
    #[error("a chunk size is empty or is not a hexadecimal number")]
    ChunkSize,
    /// The size of a chunk, as a number.
    #[error("a chunk size has more than 16 digits or is beyond 63 bits")]
    ChunkTooLarge,
    /// The extension after the size of a chunk.
    #[error("a chunk extension is malformed")]
    ChunkExtension,
    /// Too many bytes of extensions.
    #[error("the chunk extensions are too long")]
    ChunkExtensionTooLong,
    /// Data longer than the chunk's size.
    #[error("a chunk's data is not followed by CRLF")]
    ChunkEnd,
    /// A trailer field that frames or routes the message.
    #[error("a trailer field may not frame or route the message")]
    ForbiddenTrailer,
    /// Bytes after a complete reply.
    #[error("bytes arrived that do not belong to a reply")]
    Unasked,
}

impl Fault {
    pub(super) const fn new(flaw: Flaw, place: u64) -> Self {
        Self { flaw, place }
    }

    /// The status of the reply to a request with this fault.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self.flaw {
            Flaw::TargetTooLong => StatusCode::URI_TOO_LONG,
            Flaw::HeadTooLarge | Flaw::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Flaw::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Flaw::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Flaw::TlsHandshake
            | Flaw::EmptyLines
            | Flaw::RequestLine
            | Flaw::Method
            | Flaw::Target
            | Flaw::Fragment
            | Flaw::Version
            | Flaw::StatusLine
            | Flaw::BareLineFeed
            | Flaw::BareCarriageReturn
            | Flaw::FoldedField
            | Flaw::NoColon
            | Flaw::FieldName
            | Flaw::FieldValue
            | Flaw::NoHost
            | Flaw::TwoHosts
            | Flaw::BadHost
            | Flaw::BadLength
            | Flaw::TwoLengths
            | Flaw::BadCoding
            | Flaw::CodingInHttp10
            | Flaw::LengthAndCoding
            | Flaw::ChunkSize
            | Flaw::ChunkTooLarge
            | Flaw::ChunkExtension
            | Flaw::ChunkExtensionTooLong
            | Flaw::ChunkEnd
            | Flaw::ForbiddenTrailer
            | Flaw::Unasked => StatusCode::BAD_REQUEST,
        }
    }

    /// The key of the limit that was exceeded, if it was one.
    #[must_use]
    pub const fn limit(self) -> Option<&'static str> {
        if matches!(self.flaw, Flaw::TargetTooLong) {
            Some("limits.target_bytes")
        } else if matches!(self.flaw, Flaw::HeadTooLarge) {
            Some("limits.header_bytes")
        } else if matches!(self.flaw, Flaw::TooManyFields) {
            Some("limits.header_fields")
        } else {
            None
        }
    }
}
