//! The formats of batches and results.

/// A format of batches and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Format {
    /// `application/json` (protocol §2.1, §4.1).
    Json,
    /// `application/xml` (protocol §2.2, §4.2).
    Xml,
    /// `application/x-ndjson` (protocol §2.4, §4.4).
    Ndjson,
    /// `multipart/mixed` of `application/http` (protocol §2.3, §4.3).
    Multipart,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Json, Self::Xml, Self::Multipart, Self::Ndjson];

    /// The format's name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Ndjson => "ndjson",
            Self::Multipart => "multipart",
        }
    }

    /// The media type that a client asks for it by.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
            Self::Ndjson => "application/x-ndjson",
            Self::Multipart => "multipart/mixed",
        }
    }
}
