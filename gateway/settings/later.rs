//! Settings of later versions: known by name, so that they are refused plainly and not as typos.

/// Keys, with the schema path of the mapping that will hold them.
const KEYS: [(&str, &str); 4] = [
    ("upstreams.*", "retry"),
    ("upstreams.*", "health_check"),
    ("upstreams.*", "engine"),
    ("upstreams.*", "pipeline_depth"),
];

/// Values, with the schema path of their key.
const VALUES: [(&str, &str); 2] =
    [("upstreams.*.balance", "least_busy"), ("upstreams.*.balance", "consistent_hash")];

/// Whether a later version will know `key` in the mapping at `path`.
pub(super) fn is_key(path: &str, key: &str) -> bool {
    KEYS.contains(&(path, key))
}

/// Whether a later version will know `value` for the key at `path`.
pub(super) fn is_value(path: &str, value: &str) -> bool {
    VALUES.contains(&(path, value))
}
