//! The ways in which clients say who they are: those of `auth`, and certificates where every listener demands one.

use http::header;
use serde_json::{Map, Value, json};

use crate::config::{AuthWay, Settings};

/// The certificate of a client; the others have the names of their keys under `auth`.
const CERTIFICATE: &str = "client_certificate";

/// What a client has to show.
#[derive(Debug)]
pub(super) struct Security {
    pub(super) schemes: Map<String, Value>,
    /// Each suffices by itself.
    pub(super) alternatives: Vec<Value>,
}

impl Security {
    pub(super) fn new(settings: &Settings) -> Self {
        let ways = AuthWay::ALL.iter().filter_map(|way| Some((way.as_str(), scheme(settings, *way)?)));
        let mut schemes: Map<_, _> = ways.map(|(name, scheme)| (name.to_owned(), scheme)).collect();
        let mut alternatives: Vec<Map<String, Value>> =
            schemes.keys().map(|name| Map::from_iter([(name.clone(), json!([]))])).collect();
        let demands = |tls: Option<&crate::config::ListenerTls>| tls.is_some_and(|tls| tls.clients.is_some());
        if settings.listen.iter().all(|listener| demands(listener.tls.as_ref())) {
            schemes.insert(CERTIFICATE.to_owned(), json!({ "type": "mutualTLS" }));
            if alternatives.is_empty() {
                alternatives.push(Map::new());
            }
            for all in &mut alternatives {
                all.insert(CERTIFICATE.to_owned(), json!([]));
            }
        }
        Self { schemes, alternatives: alternatives.into_iter().map(Value::Object).collect() }
    }
}

/// A way, if clients have it.
fn scheme(settings: &Settings, way: AuthWay) -> Option<Value> {
    let auth = settings.auth.as_ref()?;
    let in_header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    Some(match way {
        AuthWay::ApiKeys => in_header(auth.api_keys.as_ref()?.header.as_str()),
        AuthWay::Jwt => {
            auth.jwt.as_ref()?;
            json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })
        }
        AuthWay::Basic => {
            auth.basic.as_ref()?;
            json!({ "type": "http", "scheme": "basic" })
        }
        AuthWay::Forward => {
            let asked = auth.forward.as_ref()?.headers.first();
            let mut scheme = in_header(asked.unwrap_or(&header::AUTHORIZATION).as_str());
            if let Some(members) = scheme.as_object_mut() {
                members.insert("description".to_owned(), "Judged by a service that the gateway asks.".into());
            }
            scheme
        }
    })
}
