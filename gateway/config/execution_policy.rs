//! How a batch runs: what the endpoint says, what its dialect's clients expect, and what the client
//! prefers (protocol §5).

use super::batch::{BatchEndpoint, ItemOrder};
use crate::dialect::{ExecutionPolicy, InputFormat};
use crate::plan::Preferences;

impl BatchEndpoint {
    /// How a batch in this format runs here. A preference of the client wins over the dialect's default; an endpoint that
    /// runs its items one by one always does.
    #[must_use]
    pub fn execution_policy(&self, format: InputFormat, preferences: &Preferences) -> ExecutionPolicy {
        decide(format.execution(self.dialect), self.order, preferences)
    }
}

fn decide(usual: ExecutionPolicy, order: ItemOrder, preferences: &Preferences) -> ExecutionPolicy {
    ExecutionPolicy {
        sequential: usual.sequential || preferences.sequential || order == ItemOrder::Sequential,
        stop_on_error: !preferences.continue_on_error.unwrap_or(!usual.stop_on_error),
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::format::Format;

    fn execution_policy(dialect: &str, format: Format, continue_on_error: Option<bool>) -> ExecutionPolicy {
        let preferences = Preferences { continue_on_error, ..Preferences::default() };
        let usual = InputFormat::Batch(format).execution(Dialect::named(dialect).unwrap());
        decide(usual, ItemOrder::Parallel, &preferences)
    }

    #[test]
    fn odata_runs_multipart_in_order_and_stops() {
        let of = |sequential, stop_on_error, leaves_out_unstarted| ExecutionPolicy {
            sequential,
            stop_on_error,
            leaves_out_unstarted,
        };
        let (json, multipart) = (Format::Json, Format::Multipart);
        for (dialect, format, continue_on_error, expected) in [
            ("odata", multipart, None, of(true, true, true)),
            ("odata", multipart, Some(true), of(true, false, true)),
            ("odata", json, None, of(false, false, true)),
            ("odata", json, Some(false), of(false, true, true)),
            ("batchgate", multipart, None, of(false, false, false)),
            ("batchgate", json, Some(false), of(false, true, false)),
            ("graph", json, None, of(false, false, false)),
        ] {
            assert_eq!(
                execution_policy(dialect, format, continue_on_error),
                expected,
                "{dialect} {format:?}"
            );
        }
    }
}
