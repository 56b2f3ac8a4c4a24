//! `cors`: web pages of other origins that may use the batch endpoints, or a route.

use std::time::Duration;

use http::uri::Authority;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Resolved, Resolver, all};
use super::yaml::quantity::Delay;
use super::yaml::written::Written;

/// Web pages of other origins that may use the batch endpoints, or a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Origins (`https://app.example`) whose pages may send requests and read the replies.
    pub allow_origins: Vec<String>,
    /// Fields of a request that they may set.
    pub allow_headers: Vec<String>,
    /// Fields of a reply that they may read, in addition to those that they always may and to the gateway's own.
    pub expose_headers: Vec<String>,
    /// Whether the browser sends its cookies along.
    pub allow_credentials: bool,
    /// How long a browser may remember that it may.
    #[serde(with = "Delay")]
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            allow_origins: Vec::new(),
            allow_headers: ["Content-Type", "Prefer"].map(str::to_owned).into(),
            expose_headers: Vec::new(),
            allow_credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl Resolver<'_> {
    /// The same, with origins as browsers send them and names of fields in lower case.
    pub(super) fn cors(&mut self, cors: &Cors, written: Written<'_>) -> Resolved<Cors> {
        let origins_at = written.key("allow_origins");
        let origins = cors.allow_origins.iter().enumerate();
        let origins = all(origins.map(|(index, origin)| self.origin(origin, origins_at.element(index))));
        let allowed = self.names_in_lower_case(&cors.allow_headers, written.key("allow_headers"));
        let exposed = self.names_in_lower_case(&cors.expose_headers, written.key("expose_headers"));
        Ok(Cors {
            allow_origins: origins?,
            allow_headers: allowed?,
            expose_headers: exposed?,
            ..cors.clone()
        })
    }

    fn names_in_lower_case(&mut self, names: &[String], written: Written<'_>) -> Resolved<Vec<String>> {
        let names = names.iter().enumerate();
        let names = all(names.map(|(index, name)| self.header_name_in(name, written.element(index))))?;
        Ok(names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    fn origin(&mut self, origin: &str, written: Written<'_>) -> Resolved<String> {
        if let Some(origin) = normal_origin(origin) {
            return Ok(origin);
        }
        let help = match origin {
            "*" | "null" => "name each origin; any page at all could send requests otherwise",
            _ if origin.contains('*') => {
                "name each origin, such as `https://app.example`: there are no wildcards for hosts here"
            }
            _ => "write `https://host` or `https://host:port`, with nothing after it",
        };
        self.refuse(written.span(), format!("{} is not an origin", written.shown(origin)), help)
    }
}

/// An origin as browsers send it: lower case, no default port (RFC 6454 §6.2).
fn normal_origin(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let valid = authority.parse::<Authority>().is_ok_and(|parsed| !parsed.host().is_empty());
    if !valid || authority.contains(['@', '*']) {
        return None;
    }
    Some(format!("{scheme}://{}", authority.strip_suffix(default_port).unwrap_or(authority)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (written, normal) in [
            ("https://App.example", Some("https://app.example")),
            ("https://app.example:443", Some("https://app.example")),
            ("http://app.example:8080", Some("http://app.example:8080")),
            ("https://app.example/", None),
            ("https://u@app.example", None),
            ("app.example", None),
            ("*", None),
            ("https://*.app.example", None),
            ("https://*", None),
            ("null", None),
        ] {
            assert_eq!(normal_origin(written).as_deref(), normal, "{written}");
        }
    }
}
