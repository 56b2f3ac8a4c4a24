//! `headers` of an upstream, `request_headers` and `response_headers` of a route or an endpoint: fields that messages get and
//! lose.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::masking::is_secret_field;
use super::pem::PemError;
use super::resolver::{Resolved, Resolver, Seen, all};
use super::yaml::secrets::STARS;
use super::yaml::wrappers::{At, Named};
use crate::header::changes::HeaderChanges;
use crate::header::field::is_hop_by_hop;
use crate::header::variables::{FieldValue, Made, UnknownVariable};

/// A header field of more than this passes few servers.
const MAX_SECRET: u64 = 16 << 10;

/// Header fields that messages get and lose; first they are removed, then set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct HeadersDocument {
    /// Fields to set, in place of those that were there. A value can have `{client}` (the client's address), `{request_id}` and
    /// `{host}` (what the client called the gateway) in it.
    #[schemars(extend("examples" = [{ "X-Tenant": "acme" }]))]
    pub(in crate::config) set: Named<At<HeaderValueDocument>>,
    /// Names of fields to remove.
    #[schemars(extend("examples" = [["Cookie"]]))]
    pub(in crate::config) remove: Vec<At<String>>,
}

/// Where messages go whose fields change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toward {
    Service,
    Client,
}

impl Toward {
    /// The fields that the gateway says itself, with what to do instead of setting or removing them.
    const fn said_by_gateway(self) -> &'static [(&'static str, &'static str)] {
        const HOP: &str = "remove it here: services learn from it where a request is from; `trusted_proxies` says whose to take";
        match self {
            Self::Service => &[
                ("X-Forwarded-For", HOP),
                ("X-Forwarded-Host", HOP),
                ("X-Forwarded-Proto", HOP),
                ("Via", "remove it here: it lets the gateway notice that a request goes round in a loop"),
                ("X-Request-ID", "remove it here: it is the client's, or one that the gateway makes"),
            ],
            Self::Client => &[("Date", "remove it here: it says when the reply was made")],
        }
    }
}

/// A field's value, or the file that holds it. Read as a mapping whose first key may be written alone, like
/// the other short forms; the schema has only the short form of `text`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderValueDocument {
    pub(in crate::config) text: Option<At<String>>,
    pub(in crate::config) file: Option<At<String>>,
}

impl Serialize for HeaderValueDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.file {
            Some(file) => BTreeMap::from([("file", file)]).serialize(serializer),
            None => self.text.serialize(serializer),
        }
    }
}

impl JsonSchema for HeaderValueDocument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A field's value, or the file that holds it: read once, trimmed, never shown.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "file": {
                            "description": "The file's path, relative to the configuration file.",
                            "type": "string",
                        },
                    },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl HeadersDocument {
    /// Puts stars in place of every value that came from the environment or whose field names a secret. A file stays.
    pub(super) fn mask(&mut self) {
        for (name, value) in &mut self.set.0 {
            let HeaderValueDocument { text, .. } = &mut value.value;
            if let Some(text) = text
                && (text.from_environment || is_secret_field(&name.value.to_ascii_lowercase()))
            {
                STARS.clone_into(&mut text.value);
            }
        }
    }
}

impl Resolver<'_> {
    /// The changes, if there are any.
    pub(super) fn changes(
        &mut self,
        document: &HeadersDocument,
        toward: Toward,
    ) -> Resolved<Option<HeaderChanges>> {
        let changes = self.headers(document, toward)?;
        Ok(Some(changes).filter(|changes| *changes != HeaderChanges::default()))
    }

    pub(super) fn headers(&mut self, document: &HeadersDocument, toward: Toward) -> Resolved<HeaderChanges> {
        self.changed_in_vain(document, toward);
        let mut seen = Seen::new();
        let set = all(document.set.0.iter().map(|(name, value)| {
            let header = self.settable(name);
            let value = self.field_value(name, value);
            let header = header?;
            self.only_once(&mut seen, header.clone(), name, |name| {
                format!("the header {name} is set twice")
            })?;
            Ok((header, value?))
        }));
        let remove = all(document.remove.iter().map(|name| self.settable(name)));
        let spellings = document.set.0.iter().map(|(name, _)| name.value.clone()).collect::<Vec<_>>().into();
        Ok(HeaderChanges { set: set?, spellings, remove: remove? })
    }

    /// Warns of fields that the gateway itself says, whatever the configuration says of them.
    fn changed_in_vain(&mut self, document: &HeadersDocument, toward: Toward) {
        for name in document.set.0.iter().map(|(name, _)| name).chain(&document.remove) {
            let said = toward.said_by_gateway();
            if let Some((_, help)) = said.iter().find(|(said, _)| said.eq_ignore_ascii_case(&name.value)) {
                let message = format!("the header {} is the gateway's own; this does nothing", name.shown());
                self.warn(name.span, message, *help);
            }
        }
    }

    /// A name that the operator may set or remove: not what frames the message.
    pub(super) fn settable(&mut self, name: &At<String>) -> Resolved<HeaderName> {
        let header = self.header_name(name)?;
        let message = format!("the header {} is the gateway's own", name.shown());
        if header == http::header::HOST {
            return self.refuse(name.span, message, "set `host` of the upstream instead");
        }
        if is_hop_by_hop(&header) || header == http::header::CONTENT_LENGTH {
            return self.refuse(
                name.span,
                message,
                "it frames the message or the connection; remove it here",
            );
        }
        Ok(header)
    }

    /// A value, which may have variables unless it comes from the environment or a file.
    fn field_value(&mut self, name: &At<String>, document: &At<HeaderValueDocument>) -> Resolved<FieldValue> {
        let fixed = self.header_value(name, document)?;
        let made = match &document.value.text {
            Some(text) if !text.from_environment => Made::parse(text.value.trim()),
            Some(_) | None => Ok(None),
        };
        match made {
            Ok(Some(made)) => Ok(FieldValue::Made(made)),
            Ok(None) => Ok(FieldValue::Fixed(fixed)),
            Err(UnknownVariable) => {
                let message = format!("the value of {} has an unknown variable", name.shown());
                let known: Vec<_> = UnknownVariable::known().map(|name| format!("`{{{name}}}`")).collect();
                self.refuse(document.span, message, format!("the variables are {}", known.join(", ")))
            }
        }
    }

    /// The value of a field that is written as text.
    pub(super) fn text_of_field(&mut self, name: &At<String>, text: &At<String>) -> Resolved<HeaderValue> {
        let value = HeaderValueDocument { text: Some(text.clone()), file: None };
        self.header_value(name, &At { value, span: text.span, from_environment: text.from_environment })
    }

    fn header_value(
        &mut self,
        name: &At<String>,
        document: &At<HeaderValueDocument>,
    ) -> Resolved<HeaderValue> {
        let HeaderValueDocument { text, file } = &document.value;
        let secret = file.is_some() || text.as_ref().is_some_and(|text| text.from_environment);
        let text = match (text, file) {
            (Some(text), _) => text.value.trim().to_owned(),
            (None, Some(file)) => {
                let read = self.watched_file(file, MAX_SECRET).and_then(secret_text);
                self.pem(file, read)?
            }
            (None, None) => String::new(),
        };
        let control = text.bytes().any(|byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f));
        match HeaderValue::from_bytes(text.as_bytes()) {
            Ok(mut value) if !control => {
                value.set_sensitive(secret || is_secret_field(&name.value.to_ascii_lowercase()));
                Ok(value)
            }
            Ok(_) | Err(_) => {
                let message = format!(
                    "the value of {} has characters that are not allowed in a header field",
                    name.shown()
                );
                self.refuse(document.span, message, "a value is one line of text")
            }
        }
    }
}

/// Whether the value of a field is not shown: it came from the environment, or the field's name is that of a secret.
pub(super) fn is_hidden(name: &At<String>, value: &At<String>) -> bool {
    value.from_environment || is_secret_field(&name.value.to_ascii_lowercase())
}

fn secret_text(bytes: Vec<u8>) -> Result<String, PemError> {
    let text = String::from_utf8(bytes).map_err(|_| PemError::NotText)?;
    let text = text.trim();
    if text.is_empty() { Err(PemError::Empty) } else { Ok(text.to_owned()) }
}
