//! How a batch is run: what the endpoint says, what its dialect's clients expect, and what the client
//! prefers (protocol §5).

use super::batch::{BatchEndpoint, ItemOrder};
use crate::batch::Dialect;
use crate::format::{Format, InputFormat};
use crate::plan::Preferences;

/// How a batch is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionPolicy {
    /// One by one, in the order of the request.
    pub sequential: bool,
    /// Nothing is started after the first status of 400 or above.
    pub stop_on_error: bool,
    /// Whether items that were not started because of that have no result in the reply.
    pub leaves_out_unstarted: bool,
}

impl BatchEndpoint {
    /// How a batch in this form is run here. OData runs multipart in order and stops at the first error
    /// unless the client prefers otherwise; JSON goes on (OData Protocol 4.01 §11.7.2, §8.2.8.3).
    #[must_use]
    pub fn execution_policy(&self, form: InputFormat, preferences: &Preferences) -> ExecutionPolicy {
        ExecutionPolicy::new(self.dialect, self.order, form, preferences)
    }
}

impl ExecutionPolicy {
    fn new(dialect: Dialect, order: ItemOrder, form: InputFormat, preferences: &Preferences) -> Self {
        let is_odata = dialect == Dialect::Odata;
        let in_order = is_odata && form == InputFormat::Batch(Format::Multipart);
        Self {
            sequential: preferences.sequential || order == ItemOrder::Sequential || in_order,
            stop_on_error: !preferences.continue_on_error.unwrap_or(!in_order),
            leaves_out_unstarted: is_odata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution_policy(
        dialect: Dialect,
        format: Format,
        continue_on_error: Option<bool>,
    ) -> ExecutionPolicy {
        let preferences = Preferences { continue_on_error, ..Preferences::default() };
        ExecutionPolicy::new(dialect, ItemOrder::Parallel, InputFormat::Batch(format), &preferences)
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
            (Dialect::Odata, multipart, None, of(true, true, true)),
            (Dialect::Odata, multipart, Some(true), of(true, false, true)),
            (Dialect::Odata, json, None, of(false, false, true)),
            (Dialect::Odata, json, Some(false), of(false, true, true)),
            (Dialect::Batchgate, multipart, None, of(false, false, false)),
            (Dialect::Batchgate, json, Some(false), of(false, true, false)),
            (Dialect::Graph, json, None, of(false, false, false)),
        ] {
            assert_eq!(
                execution_policy(dialect, format, continue_on_error),
                expected,
                "{dialect:?} {format:?}"
            );
        }
    }
}
