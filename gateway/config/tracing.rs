//! `tracing`: where traces go (OTLP over HTTP), and which are recorded. Whatever is absent here is taken from the standard
//! variables of OpenTelemetry (`otel`); without a receiver in either, nothing is recorded.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::otel::{ResourceAttribute, TraceCompression, Variables, receiver_url, with_path_of_traces};
use super::resolver::{Resolved, Resolver};
use super::sampler::{Parent, Sampler};
use super::yaml::diagnostic::Diagnostic;
use super::yaml::quantity::Percent;
use super::yaml::wrappers::At;

/// Where traces go, and which are recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct TracingDocument {
    /// The receiver of traces: the base url of its OTLP over HTTP, to which `/v1/traces` is added. Absent: as
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` says; without them, nothing is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:4318")]
    pub(in crate::config) otlp: Option<At<String>>,
    /// The share of the traces that begin at the gateway to record; for requests with a `traceparent`, its sampled flag
    /// decides. Absent: as `OTEL_TRACES_SAMPLER` says, or else all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) sample: Option<Percent>,
    /// Items of one batch that have spans: those that failed, then the slowest.
    #[schemars(range(max = 10_000))]
    pub(in crate::config) max_items: usize,
    /// How spans are compressed on their way. Absent: as `OTEL_EXPORTER_OTLP_TRACES_COMPRESSION` or `OTEL_EXPORTER_OTLP_COMPRESSION`
    /// says, or else not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) compression: Option<TraceCompression>,
}

impl Default for TracingDocument {
    fn default() -> Self {
        Self { otlp: None, sample: None, max_items: 100, compression: None }
    }
}

/// Where traces go, and which are recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// Who gets the spans.
    pub receiver: TraceReceiver,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Items of one batch that have spans.
    pub max_items: usize,
    /// What all spans say of this service.
    pub resource: Vec<ResourceAttribute>,
    /// What waits to be sent.
    pub queue: SpanQueue,
}

/// Who gets the spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceReceiver {
    /// Its url, `http` or `https` with a host.
    pub url: Uri,
    /// Fields of the requests.
    pub headers: HeaderMap,
    /// The file with the authorities that may sign its certificate; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How the requests are compressed.
    pub compression: TraceCompression,
}

/// The spans that wait to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanQueue {
    /// At most this many wait; more are dropped.
    pub size: usize,
    /// Spans in one request.
    pub batch: usize,
    /// How long they wait to be sent together.
    pub delay: Duration,
    /// How long a request may be tried again.
    pub patience: Duration,
}

impl Resolver<'_> {
    /// Where traces go; `None`: nowhere.
    pub(super) fn tracing(&mut self, document: &TracingDocument) -> Resolved<Option<Tracing>> {
        let mut variables = Variables::new(self.environment);
        let written = document.otlp.as_ref().map(|otlp| self.receiver(otlp)).transpose()?;
        let tracing = written.or_else(|| variables.endpoint()).and_then(|url| {
            if variables.is_disabled() { None } else { Some(tracing(document, url, &mut variables)) }
        });
        for problem in variables.problems {
            let help = "set it as OpenTelemetry's specification says, or unset it";
            self.findings.push(Diagnostic::warning(None, problem).help(help).of_environment());
        }
        Ok(tracing)
    }

    fn receiver(&mut self, written: &At<String>) -> Resolved<Uri> {
        let help = "write the base url of its OTLP over HTTP, such as `http://127.0.0.1:4318`";
        let message = || format!("{} is not the url of a receiver of traces", written.shown());
        receiver_url(&with_path_of_traces(&written.value))
            .map_or_else(|| self.refuse(written.span, message(), help), Ok)
    }
}

fn tracing(document: &TracingDocument, url: Uri, variables: &mut Variables<'_>) -> Tracing {
    let ratio = |percent: &Percent| Sampler {
        share: f64::from(u8::try_from(percent.0).unwrap_or(100)) / 100.0,
        parent: Parent::Heeded,
    };
    let sampler = document.sample.as_ref().map(ratio).or_else(|| variables.sampler());
    variables.check_protocol();
    let compression = document.compression.or_else(|| variables.compression());
    Tracing {
        receiver: TraceReceiver {
            headers: variables.headers(),
            ca: variables.certificate(&url),
            url,
            timeout: variables.timeout(),
            compression: compression.unwrap_or(TraceCompression::None),
        },
        sampler: sampler.unwrap_or(Sampler { share: 1.0, parent: Parent::Heeded }),
        max_items: document.max_items,
        resource: variables.resource(),
        queue: queue(variables),
    }
}

fn queue(variables: &mut Variables<'_>) -> SpanQueue {
    let (size, batch) = variables.sizes();
    SpanQueue {
        size,
        batch,
        delay: variables.duration("OTEL_BSP_SCHEDULE_DELAY", 5000),
        patience: variables.duration("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Loaded, parse};

    fn load(tracing: &str, variables: &[(&str, &str)]) -> Loaded {
        let text = format!(
            "listen: 127.0.0.1:1\nupstreams: {{ shop: {{ targets: [\"http://127.0.0.1:81\"] }} }}\n\
             routes: [{{ path: /, upstream: shop }}]\n{tracing}\n"
        );
        let read =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, text)| (*text).to_owned());
        parse(&text, "test.yaml", Path::new(""), &read).unwrap()
    }

    fn tracing(tracing: &str, variables: &[(&str, &str)]) -> Option<Tracing> {
        let loaded = load(tracing, variables);
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        loaded.settings.tracing
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/otel/");

    #[test]
    fn nothing_is_recorded_without_a_receiver_or_where_that_is_wanted() {
        assert_eq!(tracing("", &[]), None);
        assert_eq!(tracing("tracing: { sample: 10% }", &[]), None);
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(tracing("tracing: { otlp: \"http://127.0.0.1:1\" }", &[off]), None);
        }
    }

    #[test]
    fn the_file_goes_before_the_environment() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.test/here");
        for (text, variables, url) in [
            ("", &[ENDPOINT][..], "http://collector:4318/otel/v1/traces"),
            ("", &[ENDPOINT, own], "https://traces.test/here"),
            (
                "tracing: { otlp: \"http://127.0.0.1:4318\" }",
                &[ENDPOINT, own],
                "http://127.0.0.1:4318/v1/traces",
            ),
        ] {
            assert_eq!(tracing(text, variables).unwrap().receiver.url, url);
        }
        let coded = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        let compression = |text| tracing(text, &[ENDPOINT, coded]).unwrap().receiver.compression;
        assert_eq!(compression(""), TraceCompression::Gzip);
        assert_eq!(compression("tracing: { compression: none }"), TraceCompression::None);
        let sampler = ("OTEL_TRACES_SAMPLER", "always_off");
        let shares =
            ["", "tracing: { sample: 25% }"].map(|text| tracing(text, &[ENDPOINT, sampler]).unwrap());
        let [of_environment, of_file] = shares.map(|tracing| tracing.sampler);
        assert_eq!(of_environment, Sampler { share: 0.0, parent: Parent::Ignored });
        assert_eq!(of_file, Sampler { share: 0.25, parent: Parent::Heeded });
    }

    #[test]
    fn the_standard_variables_are_heeded() {
        let variables = [
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, authorization=Basic%20x"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=b%2Cc"),
            ("OTEL_SERVICE_NAME", "shop-gateway"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ];
        let tracing = tracing("", &variables).unwrap();
        assert_eq!(
            (&tracing.receiver.headers["x-key"], tracing.receiver.timeout.as_millis()),
            (&"a b".parse().unwrap(), 250)
        );
        assert_eq!(tracing.receiver.compression, TraceCompression::Gzip);
        assert!(!format!("{tracing:?}").contains("Basic"));
        let resource = tracing.resource.iter().map(|given| (given.key.as_str(), given.value.as_str()));
        let expected = [("deployment.environment.name", "b,c"), ("service.name", "shop-gateway")];
        assert_eq!(resource.collect::<Vec<_>>(), expected);
        assert_eq!(tracing.sampler, Sampler { share: 0.5, parent: Parent::Heeded });
        assert_eq!(
            (tracing.queue.size, tracing.queue.batch, tracing.queue.delay.as_millis()),
            (100, 100, 50)
        );
        assert_eq!(tracing.queue.patience.as_secs(), 30);
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_ignored_and_reported() {
        for (variable, says) in [
            (
                ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
                "is `jaeger_remote`, which is not one of `always_on`, ",
            ),
            (
                ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
                "`parentbased_traceidratio`; `parentbased_always_on` is used",
            ),
            (
                ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
                "has a value that is not a list like `name=value,name=value`; no field",
            ),
            (
                ("OTEL_RESOURCE_ATTRIBUTES", "secret"),
                "has a value that is not a list like `key=value,key=value`; no attribute",
            ),
            (
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "5s"),
                "is `5s`, which is not a number of milliseconds above 0; 10000 is used",
            ),
            (
                ("OTEL_BSP_SCHEDULE_DELAY", "0"),
                "is `0`, which is not a number of milliseconds above 0; 5000 is used",
            ),
            (("OTEL_SERVICE_NAME", "a\u{fffd}"), "is not text in UTF-8; it counts as unset"),
            (
                ("OTEL_EXPORTER_OTLP_HEADERS", "Content-Length=7"),
                "has the field `content-length`, which the exporter sets itself; it is not sent",
            ),
            (("OTEL_EXPORTER_OTLP_HEADERS", "transfer-encoding=a"), "has the field `transfer-encoding`"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "Host=a"), "has the field `host`"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "Connection=close"), "has the field `connection`"),
            (("OTEL_EXPORTER_OTLP_HEADERS", "Content-Type=a/b"), "has the field `content-type`"),
            (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "known here; `http/protobuf` is used"),
            (
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
                "is `zstd`, which is not `gzip` or `none`; `none` is used",
            ),
            (
                ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
                "is `0`, which is not a number from 1 to 1000000; 2048 is used",
            ),
            (("OTEL_SDK_DISABLED", "yes"), "is `yes`, which is not `true` or `false`; traces are recorded"),
            (("OTEL_TRACES_EXPORTER", "zipkin"), "known here; `otlp` is used"),
        ] {
            let loaded = load("", &[ENDPOINT, variable]);
            let warnings = loaded.warnings.to_string();
            assert!(warnings.contains(says) && warnings.contains(variable.0), "{warnings}");
            assert!(warnings.contains("  --> the environment\n"), "{warnings}");
            assert!(!warnings.contains("secret"));
            assert_eq!(loaded.settings.tracing, load("", &[ENDPOINT]).settings.tracing);
        }
    }

    #[test]
    fn what_is_used_in_part_is_reported() {
        let fields = ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a,host=b");
        let sizes = [("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "101")];
        let secure = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector");
        let certificate = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem");
        for (variables, says) in [
            (&[ENDPOINT, fields][..], "`OTEL_EXPORTER_OTLP_HEADERS` has the field `host`"),
            (
                &[ENDPOINT, sizes[0], sizes[1]],
                "`OTEL_BSP_MAX_EXPORT_BATCH_SIZE` is 101, but only 100 spans wait (`OTEL_BSP_MAX_QUEUE_SIZE`); 100 is used",
            ),
            (
                &[secure, certificate],
                "`OTEL_EXPORTER_OTLP_CERTIFICATE` names the file `/nowhere.pem`, which does not exist; no trace can be sent",
            ),
        ] {
            let loaded = load("", variables);
            let warnings = loaded.warnings.to_string();
            assert!(warnings.contains(says) && loaded.warnings.len() == 1, "{warnings}");
            let tracing = loaded.settings.tracing.unwrap();
            assert!(tracing.receiver.headers.keys().all(|name| name == "x-key"), "{tracing:?}");
            assert!(tracing.queue.batch <= tracing.queue.size, "{tracing:?}");
        }
        assert!(load("", &[ENDPOINT, certificate]).warnings.is_empty(), "without TLS it does nothing");
    }

    #[test]
    fn a_receiver_that_is_none_is_reported_and_stops_nothing() {
        for (name, text, shown) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "is `collector:4318`, which"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector", "is `ftp://collector`, which"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://a:secret@b", "has a value that"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318#b", "is `http://a:4318#b`, which"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a/v1#b", "is `http://a/v1#b`, which"),
        ] {
            let loaded = load("", &[(name, text)]);
            let expected = format!("`{name}` {shown} is not the url of a receiver of traces");
            let warnings = loaded.warnings.to_string();
            assert!(warnings.contains(&expected) && warnings.contains("no trace is recorded"), "{warnings}");
            assert!(!warnings.contains("secret"), "{warnings}");
            assert_eq!(loaded.settings.tracing, None);
        }
    }
}
