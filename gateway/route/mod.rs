//! Where items and ordinary requests may go: one path canonicaliser, one table, and the mapping
//! of urls between the gateway's side and an upstream's. Pure.

mod authority;
mod canonical;
mod mapping;
mod method;
mod table;
mod query;
mod template;

pub use authority::same_authority;
pub use canonical::{CanonicalPath, PathError, Strictness};
pub use mapping::{Mapping, OriginText, map_reference};
pub use method::{MethodSet, known_method, method_label};
pub use query::can_stand_in_a_query;
pub use table::{Respond, Route, RouteAction, RouteIndex, RouteTable, UpstreamIndex, is_prefix};
pub use template::{TemplateError, UrlTemplate};
