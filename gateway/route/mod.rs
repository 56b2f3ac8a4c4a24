//! Where items and single requests go: one path canonicaliser, one table of routes, and the mapping of urls between
//! the gateway and an upstream.
//!
//! In: a path, or a url in a header or a reply. Out: the route with the longest matching prefix, or the mapped url.
//! Pure. Invariants: a route is matched against the path that every server reads in what is forwarded, and a path that two servers
//! could read differently is refused, not repaired.

mod authority;
mod canonical;
mod character;
mod encoding;
mod mapping;
mod method;
mod query;
mod reading;
mod reference;
mod table;
mod template;
mod undo;

pub use authority::{AbsoluteUrl, same_authority};
pub use canonical::{CanonicalPath, EncodedSlashes, PathError, Strictness, has_broken_encoding};
pub use character::{UrlCharacter, check_characters, separator};
pub use encoding::{encoded_characters, encoded_path, encoded_query};
pub use mapping::{Mapping, behind_prefix};
pub use method::{MethodSet, has_dav_replies, known_method, method_label};
pub use query::is_query_byte;
pub use reading::{Ambiguity, Reading};
pub use reference::{OriginText, ReferenceProblem, ReferenceRules, RefusedReference};
pub use table::{Respond, Route, RouteAction, RouteIndex, RouteTable, UpstreamIndex, is_prefix};
pub use template::{TemplateError, UrlTemplate};
pub use undo::{UndoError, UndoRule, UndoRules, is_safe, names_collection};
