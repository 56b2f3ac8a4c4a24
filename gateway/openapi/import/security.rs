//! `security`: the services judge the credentials, as before, because the gateway passes them on. So most of it needs nothing.
//! What ends at the gateway, or does not reach an item of a batch, is a loss.

use serde_json::Value;

use super::loss::Losses;
use super::source::{Place, Source};

/// Whether the document asks for credentials at all. Reports the schemes that a gateway in between breaks.
pub(super) fn read(source: &Source, losses: &mut Losses) -> bool {
    let components = source.root().get("components");
    let schemes = components.and_then(|components| components.get("securitySchemes"));
    let mut is_any = false;
    for (name, scheme) in schemes.iter().flat_map(Place::members) {
        is_any = true;
        let pointer = scheme.pointer.clone();
        match source.resolved(scheme) {
            Ok(scheme) => {
                if let Some(problem) = broken(scheme.value) {
                    losses.add(pointer, format!("`{name}` is not mapped: {problem}"));
                }
            }
            Err(problem) => losses.add(pointer, problem),
        }
    }
    is_any
}

/// What is lost of a scheme on the way through the gateway.
fn broken(scheme: &Value) -> Option<String> {
    let text = |key| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("type"), text("in")) {
        ("apiKey", "header" | "cookie") | ("http" | "oauth2" | "openIdConnect", _) => None,
        ("apiKey", "query") => Some(
            "a key in the query of a batch does not reach its items, so each item has to have it in its own url".to_owned(),
        ),
        ("mutualTLS", _) => Some(
            "the client's certificate ends at the gateway; see `tls.client_ca` of a listener, and `tls.certificate` of an \
             upstream"
                .to_owned(),
        ),
        (other, _) => Some(format!("the type `{other}` is not known")),
    }
}
