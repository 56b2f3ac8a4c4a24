//! Defaults of keys as serde asks for them, by name: `#[serde(default = "number::<64>")]`.

use std::num::NonZeroUsize;
use std::time::Duration;

/// `N`, which is not zero.
pub(super) const fn number<const N: usize>() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(N.saturating_sub(1))
}

pub(super) const fn seconds<const N: u64>() -> Duration {
    Duration::from_secs(N)
}
