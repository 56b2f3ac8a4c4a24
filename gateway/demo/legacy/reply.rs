//! The responses of the legacy API.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::fault::Fault;
use super::media::Media;

/// A body with its type and `ETag`.
pub(super) fn found(content_type: &'static str, etag: &str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    insert(&mut response, ETAG, etag);
    response
}

/// The same for a new resource at `location`.
pub(super) fn created(location: &str, mut response: Response<Bytes>) -> Response<Bytes> {
    *response.status_mut() = StatusCode::CREATED;
    insert(&mut response, LOCATION, location);
    response
}

/// 204.
pub(super) fn gone() -> Response<Bytes> {
    status_only(StatusCode::NO_CONTENT)
}

/// 304.
pub(super) fn unchanged(etag: &str) -> Response<Bytes> {
    let mut response = status_only(StatusCode::NOT_MODIFIED);
    insert(&mut response, ETAG, etag);
    response
}

/// A line of text.
pub(super) fn text(line: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(line.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// An error.
pub(super) fn fault(media: Media, fault: &Fault) -> Response<Bytes> {
    let mut response = Response::new(media.write_fault(&fault.to_string()));
    *response.status_mut() = fault.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    if let Fault::MethodNotAllowed { allowed } = fault {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

fn status_only(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn insert(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
