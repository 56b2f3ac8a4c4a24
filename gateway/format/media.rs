//! Media types (RFC 9110 §8.3.1), as far as they decide how a body stands in a batch: as JSON, as
//! text, or as base64 (protocol §2.1, §4.1).

use super::Fields;

/// How the body of a media type is written in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaKind {
    /// `application/json` and every `+json`: a JSON value.
    Json,
    /// `application/xml`, `text/xml` and every `+xml`: a string.
    Xml,
    /// `text/*`: a string.
    Text,
    /// Types that are text though not named so (forms, scripts, YAML): a string in replies. In
    /// requests they are base64, as OData JSON §19 wants for all that is neither JSON nor `text/*`.
    TextInReplies,
    /// All the rest: base64.
    Binary,
}

/// A media type, parsed no further than needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MediaType<'a> {
    /// How its bodies are written.
    pub(super) kind: MediaKind,
    /// Type and subtype as given, without parameters.
    pub(super) essence: &'a str,
    /// The parameter `charset`, without quotes.
    pub(super) charset: Option<&'a str>,
}

impl<'a> MediaType<'a> {
    /// Parses the value of a Content-Type field. What is no media type is binary.
    pub(super) fn parse(value: &'a str) -> Self {
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let essence = essence.trim_matches([' ', '\t']);
        Self { kind: kind_of(essence), essence, charset: charset_in(parameters) }
    }

    /// The media type of a message with these fields; `None` where there is none.
    pub(super) fn of(fields: &'a Fields) -> Option<Self> {
        let (_, value) = fields.iter().find(|(name, _)| name == http::header::CONTENT_TYPE)?;
        Some(Self::parse(value.to_str().unwrap_or_default()))
    }
}

const TEXT_IN_REPLIES: [&str; 11] = [
    "application/x-www-form-urlencoded",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-seq",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
];

fn kind_of(essence: &str) -> MediaKind {
    let same = |name: &str| essence.eq_ignore_ascii_case(name);
    if same("application/json") || ends_with(essence, "+json") {
        MediaKind::Json
    } else if same("application/xml") || same("text/xml") || ends_with(essence, "+xml") {
        MediaKind::Xml
    } else if essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/")) {
        MediaKind::Text
    } else if TEXT_IN_REPLIES.into_iter().any(same) {
        MediaKind::TextInReplies
    } else {
        MediaKind::Binary
    }
}

fn ends_with(essence: &str, suffix: &str) -> bool {
    let end = essence.len().checked_sub(suffix.len()).and_then(|start| essence.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// The first `charset` of `; name=value; …`. A quoted value with escapes in it is no charset's
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
            ("application/x-www-form-urlencoded", MediaKind::TextInReplies),
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
    fn the_charset_is_found_quoted_or_bare() {
        let charset = |value| MediaType::parse(value).charset;
        assert_eq!(charset("text/plain; charset=utf-8"), Some("utf-8"));
        assert_eq!(charset("text/plain;format=flowed ; Charset = \"iso-8859-1\""), Some("iso-8859-1"));
        assert_eq!(charset("text/plain; charset"), None);
        assert_eq!(charset("text/plain"), None);
    }
}
