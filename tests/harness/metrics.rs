//! Metrics in Prometheus's text format, read as plainly as it can be done.

use std::collections::BTreeMap;

/// One time series: its name, its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// The metrics of one scrape.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(BTreeMap<Series, f64>);

impl Metrics {
    /// Reads a scrape.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect())
    }

    /// The sum of all series with this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |series: &Series| {
            let has = |(label, value): &(&str, &str)| series.1.get(*label).is_some_and(|v| v == value);
            series.0 == name && labels.iter().all(has)
        };
        // From zero: the sum of no floats at all is -0, which is no count.
        self.0.iter().filter(|(series, _)| fits(series)).fold(0.0, |sum, (_, value)| sum + value)
    }

    /// The sum as a count.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        let sum = self.sum(name, labels);
        format!("{sum}").parse().unwrap_or_else(|_| panic!("{name} is no count: {sum}"))
    }

    /// Whether there is a series with this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.keys().any(|series| series.0 == name)
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.0.len()
    }

    /// The series that another scrape did not have.
    pub(crate) fn new_since(&self, before: &Self) -> Vec<&Series> {
        self.0.keys().filter(|series| !before.0.contains_key(series)).collect()
    }

    /// The values that a label has anywhere.
    pub(crate) fn label_values(&self, label: &str) -> Vec<String> {
        let mut values: Vec<_> = self.0.keys().filter_map(|(_, labels)| labels.get(label).cloned()).collect();
        values.sort();
        values.dedup();
        values
    }
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else {
        return Some(((series.to_owned(), BTreeMap::new()), value));
    };
    let labels = labels.strip_suffix('}')?.trim_end_matches(',').strip_suffix('"')?;
    let pairs = labels
        .split("\",")
        .map(|pair| pair.split_once("=\"").map(|(l, v)| (l.trim().to_owned(), v.to_owned())));
    Some(((name.to_owned(), pairs.collect::<Option<_>>()?), value))
}
