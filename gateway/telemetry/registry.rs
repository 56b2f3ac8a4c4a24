//! Declares metrics: [`metric_table`] makes a struct of a table, and registers each of its metrics.

use std::collections::HashMap;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Error, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

/// Seconds; OpenTelemetry's boundaries for HTTP, and two more for slow requests.
pub(super) const LATENCY: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What the documentation says of a metric.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) name: &'static str,
    /// Its Rust type.
    pub(super) kind: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// A kind of metric.
pub(super) trait Metric: Collector + Clone + 'static {
    /// Only histograms use the buckets, and only kinds with many series use the labels.
    fn new(options: HistogramOpts, labels: &[&str]) -> Result<Self, Error>;
}

impl Metric for IntCounter {
    fn new(options: HistogramOpts, _: &[&str]) -> Result<Self, Error> {
        Self::with_opts(options.common_opts)
    }
}

impl Metric for IntGauge {
    fn new(options: HistogramOpts, _: &[&str]) -> Result<Self, Error> {
        Self::with_opts(options.common_opts)
    }
}

impl Metric for IntCounterVec {
    fn new(options: HistogramOpts, labels: &[&str]) -> Result<Self, Error> {
        Self::new(options.common_opts, labels)
    }
}

impl Metric for IntGaugeVec {
    fn new(options: HistogramOpts, labels: &[&str]) -> Result<Self, Error> {
        Self::new(options.common_opts, labels)
    }
}

impl Metric for HistogramVec {
    fn new(options: HistogramOpts, labels: &[&str]) -> Result<Self, Error> {
        Self::new(options, labels)
    }
}

/// Creates a metric and registers it.
pub(super) fn register<M: Metric>(
    registry: &Registry,
    options: HistogramOpts,
    labels: &[&str],
) -> Result<M, Error> {
    let metric = M::new(options, labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// A series of a metric: its labels, and its number if it is a gauge.
pub(super) struct Series<'family> {
    labels: HashMap<&'family str, &'family str>,
    gauge: f64,
}

impl Series<'_> {
    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).copied().unwrap_or_default()
    }

    /// Whether it is a gauge at zero.
    pub(super) fn is_zero(&self) -> bool {
        self.gauge == 0.0
    }
}

/// Removes the series that are not kept: those of what a new configuration does not have.
pub(super) fn keep_only<T: MetricVecBuilder>(metric: &MetricVec<T>, is_kept: impl Fn(&Series<'_>) -> bool) {
    for family in metric.collect() {
        for found in family.get_metric() {
            let labels = found.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            let series = Series { labels, gauge: found.get_gauge().get_value() };
            if !is_kept(&series) {
                // A series that has gone meanwhile is what was wanted.
                let _ = metric.remove(&series.labels);
            }
        }
    }
}

/// A struct of metrics, and its `register`. An entry is a field with its kind, its name and labels, the buckets of a
/// histogram, and the help. Fields that are not metrics follow with their values, which may name the registry.
macro_rules! metric_table {
    (
        $(#[$about:meta])*
        $visibility:vis struct $struct:ident {
            $($(#[$doc:meta])* $scope:vis $field:ident: $kind:ty =
                $name:literal [$($label:literal),*] $(in $buckets:ident)? $help:literal;)*
        }
        also($registry:ident) {
            $($(#[$other_doc:meta])* $other_scope:vis $other:ident: $type:ty = $value:expr;)*
        }
    ) => {
        $(#[$about])*
        $visibility struct $struct {
            $($(#[$doc])* $scope $field: $kind,)*
            $($(#[$other_doc])* $other_scope $other: $type,)*
        }

        impl $struct {
            /// What the documentation says of them.
            #[cfg(test)]
            pub(super) const ABOUT: &'static [crate::telemetry::registry::About] = &[
                $(crate::telemetry::registry::About {
                    name: $name,
                    kind: stringify!($kind),
                    labels: &[$($label),*],
                    help: $help,
                },)*
            ];

            pub(super) fn register($registry: &prometheus::Registry) -> Result<Self, prometheus::Error> {
                Ok(Self {
                    $($field: {
                        let options = prometheus::HistogramOpts::new($name, $help)$(.buckets($buckets.to_vec()))?;
                        crate::telemetry::registry::register($registry, options, &[$($label),*])?
                    },)*
                    $($other: $value,)*
                })
            }
        }
    };
}
pub(super) use metric_table;
