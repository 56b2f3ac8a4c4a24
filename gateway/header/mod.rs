//! Header fields: what a field may hold, and the rules that each path through the gateway shares.
//!
//! Which fields end at one hop (`hop`), which an item inherits from its batch (`inherit`), what the gateway says
//! about the hop to an upstream (`forwarded`, `via`), when a client should come back (`retry_after`), how a field's name is
//! written (`names`, `spelling`), and what the configuration changes (`changes`, `variables`). Pure: nothing here reads or writes a connection.

use http::header::{HeaderMap, HeaderName};

pub mod cache_control;
pub mod changes;
pub mod field;
pub mod forwarded;
pub mod hop;
pub mod inherit;
pub mod names;
pub mod retry_after;
pub mod spelling;
pub(crate) mod stored;
pub mod variables;
mod via;

pub use via::{GATEWAY_NAME, hops, via_entry};

/// The id of a request. It is in every reply, in the log and in every call.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What a gateway did about a request (RFC 9209).
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Whether a list field has this member, in any case.
#[must_use]
pub fn lists(headers: &HeaderMap, name: &HeaderName, member: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| outside_quotes(value, ',')).any(|said| said.trim().eq_ignore_ascii_case(member))
}

/// The parts of a value between separators. Quoted strings are not split (RFC 9110 §5.6.4).
pub(crate) fn outside_quotes(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |character: char| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    })
}
