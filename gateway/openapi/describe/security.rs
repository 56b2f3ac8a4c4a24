//! The ways in which clients say who they are: those of `auth`, and certificates where every listener demands one.

use http::header;
use serde_json::{Map, Value, json};

use crate::config::{Access, AuthWay, Settings, Ways};

/// The certificate of a client; the others have the names of their keys under `auth`, after a name of `auth.named`.
const CERTIFICATE: &str = "client_certificate";

/// What clients have to show.
#[derive(Debug)]
pub(super) struct Security {
    pub(super) schemes: Map<String, Value>,
    /// The schemes of `auth` itself.
    usual: Vec<String>,
    needs_certificate: bool,
}

impl Security {
    pub(super) fn new(settings: &Settings) -> Self {
        let auth = settings.auth.as_ref();
        let mut schemes: Map<_, _> =
            auth.into_iter().flat_map(|auth| schemes(&auth.ways, |way| way.as_str().to_owned())).collect();
        let usual = schemes.keys().cloned().collect();
        for (name, ways) in auth.iter().flat_map(|auth| &auth.named) {
            schemes.extend(self::schemes(ways, |way| named(name, way)));
        }
        let demands = |tls: Option<&crate::config::ListenerTls>| tls.is_some_and(|tls| tls.clients.is_some());
        let needs_certificate = settings.listen.iter().all(|listener| demands(listener.tls.as_ref()));
        if needs_certificate {
            schemes.insert(CERTIFICATE.to_owned(), json!({ "type": "mutualTLS" }));
        }
        Self { schemes, usual, needs_certificate }
    }

    /// What suffices for clients with this access, each by itself. Empty: nothing is asked for.
    pub(super) fn alternatives(&self, access: Option<&Access>) -> Vec<Value> {
        let names: Vec<String> = match access {
            None => self.usual.clone(),
            Some(Access::Everybody) => Vec::new(),
            Some(Access::Way(way)) => vec![way.as_str().to_owned()],
            Some(Access::Named(name)) => {
                let ways = AuthWay::ALL.iter().map(|way| named(name, *way));
                ways.filter(|name| self.schemes.contains_key(name)).collect()
            }
        };
        let mut all: Vec<Map<String, Value>> =
            names.into_iter().map(|name| Map::from_iter([(name, json!([]))])).collect();
        if self.needs_certificate {
            if all.is_empty() {
                all.push(Map::new());
            }
            for one in &mut all {
                one.insert(CERTIFICATE.to_owned(), json!([]));
            }
        }
        all.into_iter().map(Value::Object).collect()
    }

    /// Says at each operation of a path whom it takes, where that is not everybody whom `auth` itself lets in.
    pub(super) fn say(&self, path: &mut Value, access: Option<&Access>) {
        let (Some(_), Some(members)) = (access, path.as_object_mut()) else { return };
        for operation in members.values_mut().filter_map(Value::as_object_mut) {
            if operation.contains_key("responses") {
                operation.insert("security".to_owned(), self.alternatives(access).into());
            }
        }
    }
}

fn named(name: &str, way: AuthWay) -> String {
    format!("{name}.{}", way.as_str())
}

/// The schemes of ways that clients have.
fn schemes(ways: &Ways, name: impl Fn(AuthWay) -> String) -> impl Iterator<Item = (String, Value)> {
    AuthWay::ALL.into_iter().filter_map(move |way| Some((name(way), scheme(ways, way)?)))
}

/// A way, if clients have it.
fn scheme(ways: &Ways, way: AuthWay) -> Option<Value> {
    let in_header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    Some(match way {
        AuthWay::ApiKeys => in_header(ways.api_keys.as_ref()?.header.as_str()),
        AuthWay::Jwt => {
            ways.jwt.as_ref()?;
            json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })
        }
        AuthWay::Basic => {
            ways.basic.as_ref()?;
            json!({ "type": "http", "scheme": "basic" })
        }
        AuthWay::Forward => {
            let asked = ways.forward.as_ref()?.headers.first();
            let mut scheme = in_header(asked.unwrap_or(&header::AUTHORIZATION).as_str());
            if let Some(members) = scheme.as_object_mut() {
                members.insert("description".to_owned(), "Judged by a service that the gateway asks.".into());
            }
            scheme
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_whom_it_takes() {
        let schemes = ["api_keys", "jwt", "staff.jwt", "staff.basic"];
        let security = Security {
            schemes: schemes.map(|name| (name.to_owned(), json!({}))).into_iter().collect(),
            usual: vec!["api_keys".to_owned(), "jwt".to_owned()],
            needs_certificate: false,
        };
        let with_certificate =
            Security { needs_certificate: true, schemes: security.schemes.clone(), usual: vec![] };
        for (security, access, expected) in [
            (&security, None, json!([{ "api_keys": [] }, { "jwt": [] }])),
            (&security, Some(Access::Everybody), json!([])),
            (&security, Some(Access::Way(AuthWay::Jwt)), json!([{ "jwt": [] }])),
            (
                &security,
                Some(Access::Named("staff".into())),
                json!([{ "staff.jwt": [] }, { "staff.basic": [] }]),
            ),
            (&with_certificate, None, json!([{ CERTIFICATE: [] }])),
            (&with_certificate, Some(Access::Way(AuthWay::Jwt)), json!([{ "jwt": [], CERTIFICATE: [] }])),
        ] {
            assert_eq!(Value::from(security.alternatives(access.as_ref())), expected, "{access:?}");
        }
    }
}
