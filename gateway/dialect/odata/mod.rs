//! OData: `current` is OData 4.01 and 4.0, `earlier` is OData 1 to 3. Which one a request is in follows from its fields
//! (`version`).

mod current;
mod earlier;
mod error;
mod inherited;
mod version;

pub(super) use current::Odata;
pub(super) use earlier::Odata3;
pub(super) use error::ERROR;
pub(super) use inherited::accept_of_items;
