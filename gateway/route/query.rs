//! Queries of items' urls (RFC 3986 §3.4).

/// Whether a byte can stand in an item's query as it is: what the RFC has there, and what real clients
/// leave raw (`[`, `|`, `{`, …). The others can't be sent. A `#` would end the query; who reads a url
/// refuses it first.
#[must_use]
pub const fn can_stand_in_a_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>')
}
