//! Media types (RFC 9110 §8.3.1): which of them are JSON, XML or text.
//!
//! The one place that answers these questions, for items of a batch and for single requests alike. Readers and writers
//! ask it how a body is written in a batch (as JSON, as text or as base64; protocol §2.1, §4.1), and both reply paths
//! ask it whether a body can hold urls to map. Types are compared without regard to case; of the parameters only
//! `charset` matters. It does not look at bodies.

use crate::header::field::Fields;

/// How the body of a media type is written in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    /// `application/json` and every `+json`: a JSON value.
    Json,
    /// `application/xml`, `text/xml` and every `+xml`: a string.
    Xml,
    /// `text/*`: a string.
    Text,
    /// Types that are text though not named so (forms, scripts, YAML): a string.
    OtherText,
    /// All the rest: base64.
    Binary,
}

/// Which bodies of items are strings of text; other bodies that are not JSON are base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TextTypes {
    /// Those of every type that is text. The gateway's own way, and every dialect's in replies.
    #[default]
    All,
    /// Those of `text/*` and XML. OData's requests: JSON Format 4.01 §19.1 has base64 for the rest.
    ByName,
    /// None: Graph's clients write everything but JSON in base64.
    None,
}

/// Whether a Content-Type is JSON: `application/json` or any `+json`.
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    MediaType::parse(media_type).kind == MediaKind::Json
}

/// Whether a Content-Type is XML: `application/xml`, `text/xml` or any `+xml` (RFC 7303), in any case and with any
/// parameters. Items of a batch and single requests both use this rule.
#[must_use]
pub fn is_xml(media_type: &str) -> bool {
    MediaType::parse(media_type).kind == MediaKind::Xml
}

/// Whether bodies of this Content-Type become smaller by compression: text of every kind, the parts of a multipart batch, and
/// a few binary types that are not compressed by themselves. gRPC compresses its own messages.
pub(super) fn compresses(media_type: &str) -> bool {
    let MediaType { kind, essence, .. } = MediaType::parse(media_type);
    let is_grpc = without_prefix(essence, "application/grpc").is_some();
    let is_known = || COMPRESSIBLE.iter().any(|known| essence.eq_ignore_ascii_case(known));
    !is_grpc && (kind != MediaKind::Binary || is_known())
}

impl MediaKind {
    /// Whether a body of this kind is a string of text. The only place that decides it.
    pub(crate) const fn is_text(self, types: TextTypes) -> bool {
        match self {
            Self::Json | Self::Binary => false,
            Self::Xml | Self::Text => !matches!(types, TextTypes::None),
            Self::OtherText => matches!(types, TextTypes::All),
        }
    }
}

/// A media type, parsed no further than needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MediaType<'a> {
    /// How its bodies are written.
    pub(crate) kind: MediaKind,
    /// Type and subtype as given, without parameters.
    pub(crate) essence: &'a str,
    /// The parameter `charset`, without quotes.
    pub(crate) charset: Option<&'a str>,
}

impl<'a> MediaType<'a> {
    /// Parses the value of a Content-Type field. A value that is not a media type is binary.
    pub(crate) fn parse(value: &'a str) -> Self {
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let essence = essence.trim_matches([' ', '\t']);
        Self { kind: kind_of(essence), essence, charset: charset_in(parameters) }
    }

    /// The media type of a message with these fields; `None` if there is none.
    pub(crate) fn from_fields(fields: &'a Fields) -> Option<Self> {
        let (_, value) = fields.iter().find(|(name, _)| name == http::header::CONTENT_TYPE)?;
        Some(Self::parse(value.to_str().unwrap_or_default()))
    }
}

/// Subtypes of `application` that are text, in addition to `+json`, `+xml` and those of [`TEXT_SUFFIXES`]. A leading
/// `x-` or `vnd.` makes no difference.
const TEXT_SUBTYPES: [&str; 41] = [
    "www-form-urlencoded",
    "javascript",
    "ecmascript",
    "typescript",
    "node",
    "ndjson",
    "jsonl",
    "jsonlines",
    "json-lines",
    "json-seq",
    "json5",
    "jsonc",
    "yaml",
    "toml",
    "csv",
    "graphql",
    "sql",
    "sparql-query",
    "sparql-update",
    "n-triples",
    "n-quads",
    "trig",
    "turtle",
    "sh",
    "shellscript",
    "csh",
    "perl",
    "python",
    "python-code",
    "ruby",
    "httpd-php",
    "tex",
    "latex",
    "subrip",
    "mpegurl",
    "apple.mpegurl",
    "xml-dtd",
    "xml-external-parsed-entity",
    "openmetrics-text",
    "pem-file",
    "pem-certificate-chain",
];

/// Structured syntaxes that are text (RFC 6839, RFC 9512).
const TEXT_SUFFIXES: [&str; 4] = ["+yaml", "+json-seq", "+jwt", "+sd-jwt"];

/// Types that are not text and yet become smaller.
const COMPRESSIBLE: [&str; 8] = [
    "multipart/mixed",
    "application/wasm",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
    "image/vnd.microsoft.icon",
];

fn kind_of(essence: &str) -> MediaKind {
    let same = |name: &str| essence.eq_ignore_ascii_case(name);
    if same("application/json") || ends_with(essence, "+json") {
        MediaKind::Json
    } else if same("application/xml") || same("text/xml") || ends_with(essence, "+xml") {
        MediaKind::Xml
    } else if without_prefix(essence, "text/").is_some() {
        MediaKind::Text
    } else if is_other_text(essence) {
        MediaKind::OtherText
    } else {
        MediaKind::Binary
    }
}

fn is_other_text(essence: &str) -> bool {
    let Some(subtype) = without_prefix(essence, "application/") else { return false };
    let bare = without_prefix(subtype, "x-").or_else(|| without_prefix(subtype, "vnd.")).unwrap_or(subtype);
    TEXT_SUBTYPES.iter().any(|known| bare.eq_ignore_ascii_case(known))
        || TEXT_SUFFIXES.iter().any(|suffix| ends_with(subtype, suffix))
        || ["jwt", "jose"].iter().any(|known| subtype.eq_ignore_ascii_case(known))
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    if start.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

fn ends_with(essence: &str, suffix: &str) -> bool {
    let end = essence.len().checked_sub(suffix.len()).and_then(|start| essence.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// The first `charset` of `; name=value; …`. A quoted value with escapes in it is not a charset's
/// name, so that it is enough to take the quotes off.
fn charset_in(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim_matches([' ', '\t']);
        name.trim_matches([' ', '\t']).eq_ignore_ascii_case("charset").then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_known_by_its_type_in_any_case_and_with_any_parameters() {
        for (media_type, expected) in [
            ("application/xml", true),
            ("Application/XML", true),
            ("text/xml", true),
            ("TEXT/XML; charset=utf-8", true),
            (" application/xml ;charset=\"utf-8\"", true),
            ("application/vnd.x+xml", true),
            ("image/svg+XML", true),
            ("application/atom+xml;type=entry", true),
            ("application/json; v=xml", false),
            ("application/json;profile=\"application/xml\"", false),
            ("application/xml-dtd", false),
            ("application/xmlish", false),
            ("text/xml-external-parsed-entity", false),
            ("application/x-xml+json", false),
            ("text/html", false),
            ("xml", false),
            ("", false),
        ] {
            assert_eq!(is_xml(media_type), expected, "{media_type}");
        }
    }

    #[test]
    fn kinds_follow_the_protocol() {
        let cases = [
            ("application/json", MediaKind::Json),
            ("Application/Problem+JSON; charset=utf-8", MediaKind::Json),
            ("application/xml", MediaKind::Xml),
            ("text/xml;charset=utf-8", MediaKind::Xml),
            ("Application/XML", MediaKind::Xml),
            ("application/vnd.x+xml", MediaKind::Xml),
            (" application/XML ; charset=x", MediaKind::Xml),
            ("application/json; v=xml", MediaKind::Json),
            ("text/plain; profile=\"text/xml\"", MediaKind::Text),
            ("application/xmlish", MediaKind::Binary),
            ("image/xml", MediaKind::Binary),
            ("application/atom+xml", MediaKind::Xml),
            ("text/plain", MediaKind::Text),
            ("TEXT/html", MediaKind::Text),
            ("application/x-www-form-urlencoded", MediaKind::OtherText),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", MediaKind::OtherText),
            ("application/javascript", MediaKind::OtherText),
            ("application/graphql", MediaKind::OtherText),
            ("application/sql", MediaKind::OtherText),
            ("application/x-sql", MediaKind::OtherText),
            ("application/yaml", MediaKind::OtherText),
            ("application/vnd.yaml", MediaKind::OtherText),
            ("application/openapi+yaml", MediaKind::OtherText),
            ("application/x-ndjson", MediaKind::OtherText),
            ("application/geo+json-seq", MediaKind::OtherText),
            ("application/jwt", MediaKind::OtherText),
            ("application/graphql-response+json", MediaKind::Json),
            ("application/soap+xml", MediaKind::Xml),
            ("application/xhtml+xml", MediaKind::Xml),
            ("image/svg+xml", MediaKind::Xml),
            ("application/csv", MediaKind::OtherText),
            ("application/zip", MediaKind::Binary),
            ("application/pdf", MediaKind::Binary),
            ("application/grpc", MediaKind::Binary),
            ("application/protobuf", MediaKind::Binary),
            ("application/x-protobuf", MediaKind::Binary),
            ("application/msgpack", MediaKind::Binary),
            ("application/cbor", MediaKind::Binary),
            ("multipart/form-data; boundary=x", MediaKind::Binary),
            ("application/", MediaKind::Binary),
            ("application/octet-stream", MediaKind::Binary),
            ("image/png", MediaKind::Binary),
            ("json", MediaKind::Binary),
            ("+json", MediaKind::Json),
            ("", MediaKind::Binary),
            ("é+xml", MediaKind::Xml),
            ("textä/plain", MediaKind::Binary),
        ];
        for (value, kind) in cases {
            assert_eq!(MediaType::parse(value).kind, kind, "{value}");
        }
    }

    #[test]
    fn text_compresses_and_what_is_packed_does_not() {
        for (media_type, expected) in [
            ("application/json; charset=utf-8", true),
            ("text/event-stream", true),
            ("application/x-ndjson", true),
            ("Multipart/Mixed; boundary=b", true),
            ("multipart/byteranges; boundary=b", false),
            ("image/svg+xml", true),
            ("image/png", false),
            ("image/bmp", true),
            ("font/woff2", false),
            ("video/mp4", false),
            ("application/zip", false),
            ("application/octet-stream", false),
            ("application/grpc", false),
            ("application/grpc-web+json", false),
            ("", false),
        ] {
            assert_eq!(compresses(media_type), expected, "{media_type}");
        }
    }

    #[test]
    fn dialects_differ_in_what_is_text() {
        let cases = [
            (MediaKind::Json, [false, false, false]),
            (MediaKind::Xml, [true, true, false]),
            (MediaKind::Text, [true, true, false]),
            (MediaKind::OtherText, [true, false, false]),
            (MediaKind::Binary, [false, false, false]),
        ];
        for (kind, expected) in cases {
            let found = [TextTypes::All, TextTypes::ByName, TextTypes::None].map(|types| kind.is_text(types));
            assert_eq!(found, expected, "{kind:?}");
        }
    }

    #[test]
    fn the_charset_is_found_quoted_or_bare() {
        let charset = |value| MediaType::parse(value).charset;
        assert_eq!(charset("text/plain; charset=utf-8"), Some("utf-8"));
        assert_eq!(charset("text/plain;format=flowed ; Charset = \"iso-8859-1\""), Some("iso-8859-1"));
        assert_eq!(charset("text/plain; charset"), None);
        assert_eq!(charset("text/plain"), None);
    }
}
