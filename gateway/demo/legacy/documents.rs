//! Notes (text) and pictures (PNG): bodies that are neither JSON nor XML.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};

use super::fault::Fault;
use super::media::{Media, essence};
use super::precondition::{self, Permission};
use super::reply;

const METHODS: &str = "GET, HEAD, PUT, DELETE";
const FIRST_NOTE: &str = "Ring twice.\nThe dog is friendly.\n";
/// A chessboard of 8 × 8 pixels, one bit each.
const CHESSBOARD: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x01, 0x00, 0x00, 0x00, 0x00, 0xec, 0x74, 0x83, 0x26, 0x00,
    0x00, 0x00, 0x0e, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x58, 0xc5, 0x10, 0xca, 0x80, 0x84, 0x01,
    0x21, 0x44, 0x03, 0xfd, 0x36, 0x4b, 0x21, 0xa9, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];

/// The kind of a document. Each kind has its own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DocumentKind {
    Note,
    Picture,
}

impl DocumentKind {
    fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Picture => "picture",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Note => "text/plain",
            Self::Picture => "image/png",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Note => "text/plain; charset=utf-8",
            Self::Picture => "image/png",
        }
    }
}

/// The documents by kind and number.
pub(super) struct Documents {
    documents: BTreeMap<(DocumentKind, u32), Versioned>,
}

struct Versioned {
    bytes: Bytes,
    version: u32,
}

impl Documents {
    /// Note 1 and picture 1.
    pub(super) fn seeded() -> Self {
        let seed = |bytes: &'static [u8]| Versioned { bytes: Bytes::from_static(bytes), version: 1 };
        Self {
            documents: BTreeMap::from([
                ((DocumentKind::Note, 1), seed(FIRST_NOTE.as_bytes())),
                ((DocumentKind::Picture, 1), seed(CHESSBOARD)),
            ]),
        }
    }

    /// The methods of one document.
    pub(super) fn answer(
        &mut self,
        kind: DocumentKind,
        id: u32,
        request: &Request<Bytes>,
    ) -> Response<Bytes> {
        self.try_answer(kind, id, request).unwrap_or_else(|fault| reply::fault(Media::Json, &fault))
    }

    fn try_answer(
        &mut self,
        kind: DocumentKind,
        id: u32,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Fault> {
        let (method, headers) = (request.method(), request.headers());
        let version = self.documents.get(&(kind, id)).map(|document| document.version);
        let etag = version.map(etag);
        if precondition::check(method, headers, etag.as_deref())? == Permission::Unchanged {
            return Ok(reply::unchanged(etag.as_deref().unwrap_or_default()));
        }
        let missing = Fault::NoSuch { what: kind.name(), id };
        match *method {
            Method::GET | Method::HEAD => self.get(kind, id).ok_or(missing),
            Method::PUT => self.put(kind, id, request),
            Method::DELETE => self.documents.remove(&(kind, id)).map(|_| reply::gone()).ok_or(missing),
            _ => Err(Fault::MethodNotAllowed { allowed: METHODS }),
        }
    }

    fn get(&self, kind: DocumentKind, id: u32) -> Option<Response<Bytes>> {
        let document = self.documents.get(&(kind, id))?;
        Some(reply::found(kind.content_type(), &etag(document.version), document.bytes.clone()))
    }

    fn put(
        &mut self,
        kind: DocumentKind,
        id: u32,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Fault> {
        let content_type = request.headers().get(CONTENT_TYPE);
        if content_type.and_then(essence).is_none_or(|given| given != kind.media_type()) {
            return Err(Fault::UnsupportedType { taken: kind.media_type() });
        }
        let bytes = request.body().clone();
        let old = self.documents.get(&(kind, id)).map(|document| document.version);
        let version = old.map_or(1, |version| version + 1);
        let response = reply::found(kind.content_type(), &etag(version), bytes.clone());
        self.documents.insert((kind, id), Versioned { bytes, version });
        match old {
            Some(_) => Ok(response),
            None => Ok(reply::created(&format!("/{}s/{id}", kind.name()), response)),
        }
    }
}

fn etag(version: u32) -> String {
    format!("\"{version}\"")
}
