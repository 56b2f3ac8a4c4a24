//! `application/xml` and `text/xml`: batches as the protocol's own vocabulary (§2.2), results as
//! an RFC 4918 multistatus (§4.2).

mod stub;
pub(super) use stub::{read, write, write_problem};

/// Not yet.
pub fn map_hrefs(_: &[u8], _: &dyn Fn(&str) -> std::borrow::Cow<'_, str>) -> Option<Vec<u8>> {
    None
}
