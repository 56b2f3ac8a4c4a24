//! The fields of one hop, which no message takes further (RFC 9110 §7.6.1): those that Connection names, and those that
//! are of a connection whether it names them or not. Framing is decided elsewhere, so Transfer-Encoding and Trailer stay.

use http::header::{self, HeaderMap, HeaderName};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::header::hop::{Kept, hop_by_hop_fields};

pub(super) fn remove_fields_of_the_hop(head: &mut RequestHeader) {
    for name in fields_of_the_hop(&head.headers) {
        head.remove_header(&name);
    }
}

/// The same for a reply, an interim one included.
pub(super) fn remove_fields_of_a_replys_hop(head: &mut ResponseHeader) {
    for name in fields_of_the_hop(&head.headers) {
        head.remove_header(&name);
    }
}

fn fields_of_the_hop(fields: &HeaderMap) -> Vec<HeaderName> {
    let mut names = hop_by_hop_fields(fields, Kept::Trailer);
    names.retain(|name| *name != header::TRANSFER_ENCODING);
    names
}
