//! `targets` of an upstream: each a url, or a url with a weight.

use std::num::NonZeroUsize;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::defaults::number;
use super::resolver::{Refused, Resolved, Resolver, Seen, all};
use super::target::Target;
use super::target_url::{USER_NAME, parse};
use super::yaml::schema::allow_short_form;
use super::yaml::wrappers::At;

/// One target; without a weight, the url alone will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_url_alone)]
pub(in crate::config) struct TargetDocument {
    /// `http://`, `https://`, `h2c://` (HTTP/2 without TLS) or `h2://` (HTTP/2 with TLS), a host, and a
    /// port where it is not 80 or 443. A path behind it is put before those of all calls. Or `unix:/path`: HTTP/1.1 over a Unix socket; HTTP/2: `h2c://unix:/path`.
    /// Or `http+srv://_http._tcp.orders.example`, and `+srv` behind the other schemes: the hosts and ports that SRV records of the name say.
    #[schemars(example = &"http://10.0.0.1:9001")]
    pub(in crate::config) url: At<String>,

    /// Its share of the calls, relative to the other targets'.
    #[serde(default = "number::<1>")]
    #[schemars(range(max = 1000))]
    pub(in crate::config) weight: NonZeroUsize,
}

impl Resolver<'_> {
    pub(super) fn targets(&mut self, documents: &[At<TargetDocument>]) -> Resolved<Vec<Target>> {
        let mut seen = Seen::new();
        let targets = all(documents.iter().map(|document| {
            let TargetDocument { url, weight } = &document.value;
            let target = match parse(&url.value, *weight) {
                Ok(target) => target,
                Err(error) => {
                    let shown = if error.problem == USER_NAME {
                        "the target".to_owned()
                    } else {
                        format!("the target {}", url.shown())
                    };
                    return self.refuse(url.span, format!("{shown} {}", error.problem), error.help);
                }
            };
            // With another base path it is an error of its own.
            let key = (target.place.clone(), target.base_path.clone());
            if let Some(earlier) = seen.earlier(key, url.span, self.findings) {
                let help = format!("{earlier}; for a larger share, give it a `weight`");
                self.warn(url.span, format!("duplicate target {}", url.shown()), help);
            }
            Ok(target)
        }))?;
        self.one_protocol(documents, &targets)?;
        self.one_base_path(documents, &targets)?;
        Ok(targets)
    }

    /// A path is mapped before a target is chosen.
    fn one_base_path(&mut self, documents: &[At<TargetDocument>], targets: &[Target]) -> Resolved<()> {
        let first = targets.first().map(|target| &target.base_path);
        let Some(odd) = targets.iter().position(|target| Some(&target.base_path) != first) else {
            return Ok(());
        };
        let span = documents.get(odd).and_then(|document| document.value.url.span);
        self.refuse(span, "the targets of one upstream have different base paths", "make it two upstreams")
    }

    /// An upstream has one engine, so its targets have one version of HTTP.
    fn one_protocol(&mut self, documents: &[At<TargetDocument>], targets: &[Target]) -> Resolved<()> {
        let first = targets.first().ok_or(Refused)?.scheme.is_http2();
        let Some(odd) = targets.iter().position(|target| target.scheme.is_http2() != first) else {
            return Ok(());
        };
        let span = documents.get(odd).and_then(|document| document.value.url.span);
        self.refuse(
            span,
            "the targets of one upstream can't mix HTTP/1.1 (`http`, `https`) and HTTP/2 (`h2c`, `h2`)",
            "make it two upstreams",
        )
    }
}

fn with_url_alone(schema: &mut Schema) {
    allow_short_form(schema, "url");
}
