//! The standard environment variables of OpenTelemetry, as far as they are about traces that are sent by OTLP over HTTP.
//!
//! In: a reader of the environment. Out: typed values, and a sentence for each variable that can't be used. As the
//! specification wants it, such a variable counts as unset, and so does an empty one.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::sampler::{Parent, Sampler};

/// The samplers: their names, the share that each takes (`None`: what the argument says), and what becomes of a parent's
/// decision.
const SAMPLERS: [(&str, Option<f64>, Parent); 6] = [
    ("always_on", Some(1.0), Parent::Ignored),
    ("always_off", Some(0.0), Parent::Ignored),
    ("traceidratio", None, Parent::Ignored),
    ("parentbased_always_on", Some(1.0), Parent::Heeded),
    ("parentbased_always_off", Some(0.0), Parent::Heeded),
    ("parentbased_traceidratio", None, Parent::Heeded),
];

/// What all spans say of the service that made them: a key, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceAttribute {
    /// Its key, such as `service.name`.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// How spans are compressed on their way to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceCompression {
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
}

/// Reads the variables.
pub(super) struct Variables<'env> {
    environment: Environment<'env>,
    /// What is wrong with those read so far.
    pub(super) problems: Vec<String>,
}

impl<'env> Variables<'env> {
    pub(super) const fn new(environment: Environment<'env>) -> Self {
        Self { environment, problems: Vec::new() }
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.environment)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The first of two variables that is set.
    fn first(&self, names: [&'static str; 2]) -> Option<Variable> {
        names.into_iter().find_map(|name| self.text(name).map(|text| Variable { name, text }))
    }

    /// The value of a variable, which `read` makes of its text. `expected`: what it should be.
    fn read<T>(
        &mut self,
        variable: &Variable,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(&variable.text);
        if value.is_none() {
            // What is in the environment may be secret.
            self.problems.push(format!("`{}` is ignored: it is not {expected}", variable.name));
        }
        value
    }

    /// Whether nothing may be recorded.
    pub(super) fn is_disabled(&self) -> bool {
        let says = |name, word: &str| self.text(name).is_some_and(|text| text.eq_ignore_ascii_case(word));
        says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none")
    }

    /// Where spans are sent, with the path.
    pub(super) fn endpoint(&self) -> Option<String> {
        let base = || Some(with_path_of_traces(&self.text("OTEL_EXPORTER_OTLP_ENDPOINT")?));
        self.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(base)
    }

    /// Fields of the requests that bring spans.
    pub(super) fn headers(&mut self) -> HeaderMap {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        let Some(variable) = self.first(names) else { return HeaderMap::new() };
        let fields = |text: &str| pairs(text)?.iter().map(field).collect::<Option<HeaderMap>>();
        self.read(&variable, "a list like `name=value,name=value`", fields).unwrap_or_default()
    }

    /// The file with the authorities that may sign the receiver's certificate.
    pub(super) fn certificate(&self) -> Option<String> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
        self.first(names).map(|variable| variable.text)
    }

    /// How long a request to the receiver may take.
    pub(super) fn timeout(&mut self) -> Option<Duration> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        self.first(names).and_then(|variable| self.milliseconds(&variable))
    }

    /// How requests to the receiver are compressed.
    pub(super) fn compression(&mut self) -> Option<TraceCompression> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
        let variable = self.first(names)?;
        let compression = |text: &str| match text {
            "gzip" => Some(TraceCompression::Gzip),
            "none" => Some(TraceCompression::None),
            _ => None,
        };
        self.read(&variable, "`gzip` or `none`", compression)
    }

    /// A duration of the span processor.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let text = self.text(name)?;
        self.milliseconds(&Variable { name, text })
    }

    fn milliseconds(&mut self, variable: &Variable) -> Option<Duration> {
        let milliseconds = |text: &str| text.parse().ok().filter(|number| *number > 0);
        self.read(variable, "a number of milliseconds", milliseconds).map(Duration::from_millis)
    }

    /// A size of the span processor.
    pub(super) fn size(&mut self, name: &'static str) -> Option<usize> {
        let text = self.text(name)?;
        let size = |text: &str| usize::from_str(text).ok().filter(|number| (1..=MAX_SIZE).contains(number));
        self.read(&Variable { name, text }, "a number from 1 to 1000000", size)
    }

    /// Which traces are recorded.
    pub(super) fn sampler(&mut self) -> Option<Sampler> {
        let (name, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
        let text = self.text(name)?;
        let known = |text: &str| SAMPLERS.into_iter().find(|(name, ..)| *name == text);
        let (_, share, parent) =
            self.read(&Variable { name, text }, "a sampler that is known here", known)?;
        let share = share.or_else(|| {
            let text = self.text(argument)?;
            let share = |text: &str| f64::from_str(text).ok().filter(|share| (0.0..=1.0).contains(share));
            self.read(&Variable { name: argument, text }, "a number from 0 to 1", share)
        });
        Some(Sampler { share: share.unwrap_or(1.0), parent })
    }

    /// What all spans say of this service.
    pub(super) fn resource(&mut self) -> Vec<ResourceAttribute> {
        const SERVICE: &str = "service.name";
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        let given = self.text(name).map(|text| Variable { name, text });
        let given =
            given.and_then(|variable| self.read(&variable, "a list like `key=value,key=value`", pairs));
        let mut attributes = given.unwrap_or_default();
        let service = self.text("OTEL_SERVICE_NAME");
        if service.is_some() {
            attributes.retain(|attribute| attribute.key != SERVICE);
        }
        if !attributes.iter().any(|attribute| attribute.key == SERVICE) {
            let value = service.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
            attributes.push(ResourceAttribute { key: SERVICE.to_owned(), value });
        }
        attributes
    }

    /// Says that only one form of OTLP is known, if another one is wanted.
    pub(super) fn check_protocol(&mut self) {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        if let Some(variable) = self.first(names) {
            let is_known = |text: &str| (text == "http/protobuf").then_some(());
            self.read(&variable, "`http/protobuf`, the only protocol that is known here", is_known);
        }
    }
}

/// The largest size that the span processor takes.
const MAX_SIZE: usize = 1_000_000;

/// A variable that is set.
struct Variable {
    name: &'static str,
    text: String,
}

/// The url for traces at a receiver (OTLP specification, "Endpoint URLs for OTLP/HTTP").
pub(super) fn with_path_of_traces(base: &str) -> String {
    format!("{}/v1/traces", base.trim_end_matches('/'))
}

/// The pairs of a list like `key=value,key=value`; values are percent-encoded.
fn pairs(text: &str) -> Option<Vec<ResourceAttribute>> {
    let pair = |text: &str| {
        let (key, value) = text.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some(ResourceAttribute { key: key.trim().to_owned(), value: value.into_owned() })
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(pair).collect()
}

fn field(pair: &ResourceAttribute) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(&pair.value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_str(&pair.key).ok()?, value))
}
