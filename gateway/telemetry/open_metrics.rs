//! The text format of OpenMetrics 1.0, which can carry exemplars. The crate prometheus writes only its own, older format.
//!
//! In: the families that the registry gathers, and the exemplars. Out: the document. It differs from the older one
//! in what counters are called, in how bounds of buckets are written, in what is escaped, and in its end.

use std::fmt::{self, Display, Formatter};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::exemplars::{Exemplar, Exemplars};

/// What a counter's name ends in; its family is called without that.
const TOTAL: &str = "_total";

/// Families as OpenMetrics.
pub(super) struct OpenMetrics<'families> {
    pub(super) families: &'families [MetricFamily],
    pub(super) exemplars: &'families Exemplars,
}

impl Display for OpenMetrics<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for family in self.families {
            self.family(family, formatter)?;
        }
        formatter.write_str("# EOF\n")
    }
}

impl OpenMetrics<'_> {
    fn family(&self, family: &MetricFamily, to: &mut Formatter<'_>) -> fmt::Result {
        let name = family.name();
        let (kind, called) = match family.get_field_type() {
            MetricType::COUNTER => ("counter", name.strip_suffix(TOTAL).unwrap_or(name)),
            MetricType::GAUGE => ("gauge", name),
            MetricType::HISTOGRAM => ("histogram", name),
            MetricType::SUMMARY | MetricType::UNTYPED => ("unknown", name),
        };
        writeln!(to, "# TYPE {called} {kind}")?;
        writeln!(to, "# HELP {called} {}", Escaped(family.help()))?;
        for metric in family.get_metric() {
            let labels = Labels(metric.get_label());
            match family.get_field_type() {
                MetricType::COUNTER => {
                    writeln!(to, "{called}{TOTAL}{labels} {}", metric.get_counter().get_value())?;
                }
                MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                    writeln!(to, "{name}{labels} {}", metric.get_gauge().get_value())?;
                }
                MetricType::HISTOGRAM => self.histogram(name, metric, to)?,
            }
        }
        Ok(())
    }

    fn histogram(&self, name: &str, metric: &Metric, to: &mut Formatter<'_>) -> fmt::Result {
        let (histogram, labels) = (metric.get_histogram(), metric.get_label());
        let label = labels.first().map_or("", LabelPair::value);
        let exemplars = self.exemplars.of(name, label);
        let bounds =
            histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        let all = bounds.chain([(f64::INFINITY, histogram.get_sample_count())]);
        for (number, (bound, count)) in all.enumerate() {
            let exemplar = exemplars.get(number).copied().flatten();
            let (labels, exemplar) = (Bucket { labels, bound }, Shown(exemplar));
            writeln!(to, "{name}_bucket{labels} {count}{exemplar}")?;
        }
        let labels = Labels(labels);
        writeln!(to, "{name}_count{labels} {}", histogram.get_sample_count())?;
        writeln!(to, "{name}_sum{labels} {}", histogram.get_sample_sum())
    }
}

/// The labels of a series; nothing if it has none.
struct Labels<'labels>(&'labels [LabelPair]);

impl Display for Labels<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (number, label) in self.0.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            write!(formatter, "{before}{}=\"{}\"", label.name(), Escaped(label.value()))?;
        }
        if self.0.is_empty() { Ok(()) } else { formatter.write_str("}") }
    }
}

/// The labels of a bucket.
struct Bucket<'labels> {
    labels: &'labels [LabelPair],
    bound: f64,
}

impl Display for Bucket<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("{")?;
        for label in self.labels {
            write!(formatter, "{}=\"{}\",", label.name(), Escaped(label.value()))?;
        }
        // Debug writes 1.0 where Display writes 1.
        if self.bound.is_infinite() {
            formatter.write_str("le=\"+Inf\"}")
        } else {
            write!(formatter, "le=\"{:?}\"}}", self.bound)
        }
    }
}

/// An exemplar behind its bucket's count, if there is one.
struct Shown(Option<Exemplar>);

impl Display for Shown {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Some(Exemplar { trace, value, at }) = self.0 else { return Ok(()) };
        write!(formatter, " # {{trace_id=\"{trace:032x}\"}} {value} {:.3}", at.as_secs_f64())
    }
}

/// A text in which a backslash, a quotation mark and the end of a line are escaped.
struct Escaped<'text>(&'text str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['\\', '"', '\n']) {
            let (plain, special) = match part.chars().next_back() {
                Some('\\') => (part.trim_end_matches('\\'), "\\\\"),
                Some('"') => (part.trim_end_matches('"'), "\\\""),
                Some('\n') => (part.trim_end_matches('\n'), "\\n"),
                Some(_) | None => (part, ""),
            };
            formatter.write_str(plain)?;
            formatter.write_str(special)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

    use super::*;
    use crate::telemetry::exemplars::Timed;

    #[test]
    fn a_document_has_all_kinds_and_ends() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("a_total", "Says \"a\\b\"."), &["x"]).unwrap();
        counter.with_label_values(&["q\"\\\n"]).inc();
        let name = Timed::Item.as_str();
        let options = HistogramOpts::new(name, "Times.").buckets(vec![0.001, 1.0]);
        let times = HistogramVec::new(options, &["route"]).unwrap();
        times.with_label_values(&["/"]).observe(0.5);
        registry.register(Box::new(counter)).unwrap();
        registry.register(Box::new(times)).unwrap();
        let families = registry.gather();
        let document = OpenMetrics { families: &families, exemplars: &Exemplars::default() }.to_string();
        let expected = format!(
            "# TYPE a counter\n# HELP a Says \\\"a\\\\b\\\".\na_total{{x=\"q\\\"\\\\\\n\"}} 1\n\
             # TYPE {name} histogram\n# HELP {name} Times.\n{name}_bucket{{route=\"/\",le=\"0.001\"}} 0\n\
             {name}_bucket{{route=\"/\",le=\"1.0\"}} 1\n{name}_bucket{{route=\"/\",le=\"+Inf\"}} 1\n\
             {name}_count{{route=\"/\"}} 1\n{name}_sum{{route=\"/\"}} 0.5\n# EOF\n"
        );
        assert_eq!(document, expected);
    }

    #[test]
    fn an_exemplar_stands_behind_its_bucket() {
        let exemplar = Exemplar { trace: 0xabc, value: 0.25, at: Duration::from_millis(1_500) };
        let expected = format!(" # {{trace_id=\"{:032x}\"}} 0.25 1.500", 0xabc);
        assert_eq!(Shown(Some(exemplar)).to_string(), expected);
        assert_eq!(Shown(None).to_string(), "");
    }
}
