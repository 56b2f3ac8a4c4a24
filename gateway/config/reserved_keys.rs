//! Settings of later versions: known by name, so that they are refused plainly and not as typos.

/// Keys, with the schema path of the mapping that will hold them.
const KEYS: [(&str, &str); 2] = [("upstreams.*", "engine"), ("upstreams.*", "pipeline_depth")];

/// Whether a later version will know `key` in the mapping at `path`.
pub(super) fn is_key(path: &str, key: &str) -> bool {
    KEYS.contains(&(path, key))
}
