//! The standard environment variables of OpenTelemetry, as far as they are about traces that are sent by OTLP over HTTP.
//!
//! In: a reader of the environment. Out: typed values, and a sentence for each variable that can't be used. As the
//! specification wants it, such a variable counts as unset, and so does an empty one.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authorities::Authorities;
use super::environment::{Environment, is_not_text};
use super::sampler::{Parent, Sampler};
use super::web_url::web_url;
use super::yaml::diagnostic::quoted;
use crate::header::field::is_of_framing;

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

    fn text(&mut self, name: &str) -> Option<String> {
        let text = (self.environment)(name)?;
        if is_not_text(&text) {
            self.problems.push(format!("`{name}` is not text in UTF-8; it counts as unset"));
            return None;
        }
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The first of two variables that is set.
    fn first(&mut self, names: [&'static str; 2]) -> Option<Variable> {
        names.into_iter().find_map(|name| self.one(name))
    }

    fn one(&mut self, name: &'static str) -> Option<Variable> {
        self.text(name).map(|text| Variable { name, text })
    }

    /// The value of a variable, which `read` makes of its text. Otherwise it is reported with what is used instead.
    fn read<T>(
        &mut self,
        variable: &Variable,
        Wanted { expected, instead }: Wanted<'_>,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Variable { name, text } = variable;
        let value = read(text);
        if value.is_none() {
            // Header fields and attributes may be secret, and so may be the password in a url.
            let is_secret = [HEADERS[0], HEADERS[1], ATTRIBUTES].contains(name) || text.contains('@');
            let shown =
                if is_secret { "has a value that".to_owned() } else { format!("is {}, which", quoted(text)) };
            self.problems.push(format!("`{name}` {shown} is not {expected}; {instead}"));
        }
        value
    }

    /// Whether nothing may be recorded.
    pub(super) fn is_disabled(&mut self) -> bool {
        let disabled = self.one("OTEL_SDK_DISABLED").and_then(|variable| {
            let wanted = Wanted { expected: "`true` or `false`", instead: "traces are recorded" };
            self.read(&variable, wanted, |text| text.to_ascii_lowercase().parse::<bool>().ok())
        });
        let exporter = self.one("OTEL_TRACES_EXPORTER").and_then(|variable| {
            let wanted = Wanted {
                expected: "`otlp` or `none`, the only ones that are known here",
                instead: "`otlp` is used",
            };
            let known =
                |text: &str| ["otlp", "none"].into_iter().find(|known| text.eq_ignore_ascii_case(known));
            self.read(&variable, wanted, known)
        });
        disabled == Some(true) || exporter == Some("none")
    }

    /// Where spans are sent, with the path.
    pub(super) fn endpoint(&mut self) -> Option<Uri> {
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let variable = self.first([TRACES, "OTEL_EXPORTER_OTLP_ENDPOINT"])?;
        let wanted = Wanted {
            expected: "the url of a receiver of traces, such as `http://127.0.0.1:4318`",
            instead: "no trace is recorded",
        };
        let is_complete = variable.name == TRACES;
        self.read(&variable, wanted, |text| {
            receiver_url(&if is_complete { text.to_owned() } else { with_path_of_traces(text) })
        })
    }

    /// Fields of the requests that bring spans.
    pub(super) fn headers(&mut self) -> HeaderMap {
        let Some(variable) = self.first(HEADERS) else { return HeaderMap::new() };
        let fields = |text: &str| pairs(text)?.iter().map(field).collect::<Option<HeaderMap>>();
        let wanted =
            Wanted { expected: "a list like `name=value,name=value`", instead: "no field of it is sent" };
        let given = self.read(&variable, wanted, fields).unwrap_or_default();
        let (own, given) = given
            .into_iter()
            .partition::<HeaderMap, _>(|(name, _)| name.as_ref().is_some_and(is_of_exporter));
        for field in own.keys() {
            let problem =
                format!("`{}` has the field `{field}`, which the exporter sets itself", variable.name);
            self.problems.push(format!("{problem}; it is not sent"));
        }
        given
    }

    /// The file with the authorities that may sign the certificate of the receiver at this url.
    pub(super) fn certificate(&mut self, receiver: &Uri) -> Option<PathBuf> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
        let Variable { name, text } = self.first(names)?;
        let file = PathBuf::from(&text);
        if receiver.scheme() == Some(&Scheme::HTTPS)
            && let Err(error) = Authorities::read(file.clone())
        {
            let shown = quoted(&text);
            self.problems
                .push(format!("`{name}` names the file {shown}, which {error}; no trace can be sent"));
        }
        Some(file)
    }

    /// How long a request to the receiver may take.
    pub(super) fn timeout(&mut self) -> Duration {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        let variable = self.first(names);
        self.milliseconds(variable, 10_000)
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
        let wanted = Wanted { expected: "`gzip` or `none`", instead: "`none` is used" };
        self.read(&variable, wanted, compression)
    }

    /// A duration of the span processor, in milliseconds if the variable says none.
    pub(super) fn duration(&mut self, name: &'static str, otherwise: u64) -> Duration {
        let variable = self.one(name);
        self.milliseconds(variable, otherwise)
    }

    fn milliseconds(&mut self, variable: Option<Variable>, otherwise: u64) -> Duration {
        let milliseconds = |text: &str| text.parse().ok().filter(|number| *number > 0);
        let instead = format!("{otherwise} is used");
        let wanted = Wanted { expected: "a number of milliseconds above 0", instead: &instead };
        let given = variable.and_then(|variable| self.read(&variable, wanted, milliseconds));
        Duration::from_millis(given.unwrap_or(otherwise))
    }

    /// How many spans wait at most, and how many of them are sent together.
    pub(super) fn sizes(&mut self) -> (usize, usize) {
        const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
        let queue = self.size(QUEUE, 2048);
        let batch = self.size(BATCH, 512);
        if batch > queue && self.one(BATCH).is_some() {
            self.problems.push(format!(
                "`{BATCH}` is {batch}, but only {queue} spans wait (`{QUEUE}`); {queue} is used"
            ));
        }
        (queue, batch.min(queue))
    }

    /// A size of the span processor, `otherwise` if the variable says none.
    fn size(&mut self, name: &'static str, otherwise: usize) -> usize {
        let size = |text: &str| usize::from_str(text).ok().filter(|number| (1..=MAX_SIZE).contains(number));
        let instead = format!("{otherwise} is used");
        let wanted = Wanted { expected: "a number from 1 to 1000000", instead: &instead };
        let given = self.one(name).and_then(|variable| self.read(&variable, wanted, size));
        given.unwrap_or(otherwise)
    }

    /// Which traces are recorded.
    pub(super) fn sampler(&mut self) -> Option<Sampler> {
        let variable = self.one("OTEL_TRACES_SAMPLER")?;
        let known = |text: &str| SAMPLERS.into_iter().find(|(name, ..)| *name == text);
        let names = SAMPLERS.map(|(name, ..)| format!("`{name}`")).join(", ");
        let wanted =
            Wanted { expected: &format!("one of {names}"), instead: "`parentbased_always_on` is used" };
        let (_, share, parent) = self.read(&variable, wanted, known)?;
        let share = share.or_else(|| {
            let variable = self.one("OTEL_TRACES_SAMPLER_ARG")?;
            let share = |text: &str| f64::from_str(text).ok().filter(|share| (0.0..=1.0).contains(share));
            let wanted = Wanted { expected: "a number from 0 to 1", instead: "1 is used" };
            self.read(&variable, wanted, share)
        });
        Some(Sampler { share: share.unwrap_or(1.0), parent })
    }

    /// What all spans say of this service.
    pub(super) fn resource(&mut self) -> Vec<ResourceAttribute> {
        const SERVICE: &str = "service.name";
        let wanted =
            Wanted { expected: "a list like `key=value,key=value`", instead: "no attribute of it is sent" };
        let given = self.one(ATTRIBUTES).and_then(|variable| self.read(&variable, wanted, pairs));
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
            let wanted = Wanted {
                expected: "`http/protobuf`, the only protocol that is known here",
                instead: "`http/protobuf` is used",
            };
            self.read(&variable, wanted, is_known);
        }
    }
}

/// The largest size that the span processor takes.
const MAX_SIZE: usize = 1_000_000;

/// Fields of the requests to the receiver.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// What a variable should be, and what becomes of one that is not.
#[derive(Clone, Copy)]
struct Wanted<'text> {
    expected: &'text str,
    instead: &'text str,
}

/// A variable that is set.
struct Variable {
    name: &'static str,
    text: String,
}

/// The url of a receiver of traces.
pub(super) fn receiver_url(text: &str) -> Option<Uri> {
    web_url(text).filter(|uri| uri.query().is_none())
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

/// Whether a field of a request that brings spans is not for others to say. A wrong one would break the request.
fn is_of_exporter(name: &HeaderName) -> bool {
    is_of_framing(name) || [header::HOST, header::CONTENT_TYPE, header::CONTENT_ENCODING].contains(name)
}

fn field(pair: &ResourceAttribute) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(&pair.value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_str(&pair.key).ok()?, value))
}
