//! Whose conventions an endpoint keeps, for clients that were made for another batch service.

/// A dialect of batches (protocol §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The gateway's own: every format, 207, results that say all there is to say.
    #[default]
    Batchgate,
    /// OData 4.01: JSON Format §19 and Protocol §11.7.
    Odata,
    /// Microsoft Graph's JSON batching, OData's with a few ways of its own.
    Graph,
    /// The `pipeline` of APISIX's batch-requests plugin.
    Apisix,
    /// The `requests` with `relative_url` of Tyk's batch endpoint.
    Tyk,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 5] = [Self::Batchgate, Self::Odata, Self::Graph, Self::Apisix, Self::Tyk];

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batchgate => "batchgate",
            Self::Odata => "odata",
            Self::Graph => "graph",
            Self::Apisix => "apisix",
            Self::Tyk => "tyk",
        }
    }

    /// The media types of its batches and replies, for messages.
    #[must_use]
    pub const fn media_types(self) -> &'static str {
        match self {
            Self::Batchgate => "application/json, application/xml, application/x-ndjson or multipart/mixed",
            Self::Odata => "application/json or multipart/mixed",
            Self::Graph | Self::Apisix | Self::Tyk => "application/json",
        }
    }
}
