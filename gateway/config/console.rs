//! `console`: what the console on the admin listener can show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the console on the admin listener can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSettings {
    /// The last batches that are kept for the console and for `/batches`; 0 keeps none.
    #[schemars(range(max = 1000))]
    pub batches: usize,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self { batches: 50 }
    }
}
