//! The names that the gateway's own XML documents use.

/// The namespace of the protocol's elements; in batches they may as well have none.
pub(super) const BATCH_NAMESPACE: &str = "urn:batchgate:batch";

/// The prefixes of the gateway's own documents.
pub(super) const BATCH_PREFIX: &str = "b";
pub(super) const DAV_PREFIX: &str = "D";
