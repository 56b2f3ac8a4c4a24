//! Files of the gateway that are still in a circle of imports. The list may only get shorter.

pub(super) const TIED: &[&str] = &[
];
