//! API keys. The configuration holds only their hashes.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::config::ApiKey;

/// Returns the name of the key's holder. It compares every key completely, so the time it takes reveals nothing.
pub(super) fn holder(keys: &[ApiKey], presented: &[u8]) -> Option<Arc<str>> {
    let hash = digest(&SHA256, presented);
    let mut found = u64::MAX;
    for (place, key) in (0_u64..).zip(keys) {
        found.conditional_assign(&place, key.hash.as_slice().ct_eq(hash.as_ref()));
    }
    let place = usize::try_from(found).ok()?;
    keys.get(place).map(|key| Arc::clone(&key.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_hash() {
        let hash = |key: &[u8]| digest(&SHA256, key).as_ref().try_into().unwrap();
        let key = |name: &str, key: &[u8]| ApiKey { name: name.into(), hash: hash(key) };
        let keys = [key("one", b"1"), key("two", b"2"), key("three", b"3")];
        for (presented, name) in
            [("1", Some("one")), ("2", Some("two")), ("3", Some("three")), ("4", None), ("", None)]
        {
            assert_eq!(holder(&keys, presented.as_bytes()).as_deref(), name);
        }
    }
}
