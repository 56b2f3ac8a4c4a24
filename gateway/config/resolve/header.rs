//! Header fields that an upstream's calls get and lose.

use http::{HeaderName, HeaderValue};

use super::{Resolved, Resolver, Seen, all, pem};
use crate::config::HeaderChanges;
use crate::config::document::{HeaderValueDocument, HeadersDocument};
use crate::config::masking::is_secret_field;
use crate::config::yaml::wrappers::At;
use crate::header::field::is_hop_by_hop;

/// A header field of more than this passes few servers.
const MAX_SECRET: u64 = 16 << 10;

impl Resolver<'_> {
    pub(super) fn headers(&mut self, document: &HeadersDocument) -> Resolved<HeaderChanges> {
        let mut seen = Seen::new();
        let set = document.set.0.iter().map(|(name, value)| {
            let header = self.settable(name);
            let value = self.header_value(name, value);
            let header = header?;
            if let Some(earlier) = seen.earlier(header.clone(), name.span) {
                let message = format!("the header {} is set twice", name.shown());
                return self.refuse(name.span, message, earlier);
            }
            Ok((header, value?))
        });
        let set = all(set.collect());
        let remove = document.remove.iter().map(|name| self.settable(name)).collect();
        Ok(HeaderChanges { set: set?, remove: all(remove)? })
    }

    /// A name that the operator may set or remove: not what frames the message.
    fn settable(&mut self, name: &At<String>) -> Resolved<HeaderName> {
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

    pub(super) fn header_name(&mut self, name: &At<String>) -> Resolved<HeaderName> {
        if let Ok(header) = HeaderName::from_bytes(name.value.as_bytes()) {
            return Ok(header);
        }
        let message = format!("{} is not a header field's name", name.shown());
        self.refuse(name.span, message, "a name has letters, digits and `-`")
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
                let message =
                    format!("the value of {} has characters that no header field can carry", name.shown());
                self.refuse(document.span, message, "a value is one line of text")
            }
        }
    }
}

fn secret_text(bytes: Vec<u8>) -> Result<String, pem::PemError> {
    let text = String::from_utf8(bytes).map_err(|_| pem::PemError::NotText)?;
    let text = text.trim();
    if text.is_empty() { Err(pem::PemError::Empty) } else { Ok(text.to_owned()) }
}
