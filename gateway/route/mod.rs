//! Where items and single requests go: one path canonicaliser, one table of routes, and the mapping of urls between
//! the gateway and an upstream.
//!
//! In: a path and the facts of its request, or a url in a header or a reply. Out: the most specific route that the request meets, or
//! the mapped url. Pure. Invariants: a route is matched against the path that every server reads in what is forwarded, and a path that two servers
//! could read differently is refused, not repaired.

mod authority;
mod canonical;
mod character;
mod encoding;
mod facts;
mod host;
mod index;
mod mapping;
mod method;
mod pattern;
mod query;
mod reading;
mod redirect;
mod redirect_loop;
mod reference;
mod reply_urls;
mod respond;
mod table;
mod template;
mod tree;
mod undo;

pub use authority::{
    AbsoluteUrl, authority_of, same_authority, shown_path, split_port, without_user, without_user_of,
};
pub use canonical::{CanonicalPath, EncodedSlashes, PathError, Strictness, has_broken_encoding};
pub use character::{UrlCharacter, check_characters, separator};
pub use encoding::{encoded_characters, encoded_path, encoded_query};
pub use facts::{Conditions, RequestFacts};
pub use host::{HostError, HostPattern, host_of, is_host_name};
pub use index::{RouteIndex, UpstreamIndex};
pub use mapping::{Mapping, behind_prefix};
pub use method::{MethodSet, has_dav_replies, known_method, method_label, unreadable_method};
pub use pattern::{PathPattern, PatternError};
pub use query::is_query_byte;
pub use reading::{Ambiguity, Reading};
pub use redirect::{Redirect, RedirectQuery};
pub use redirect_loop::redirect_loop;
pub use reference::{OriginText, ReferenceProblem, ReferenceRules, RefusedReference, is_reference};
pub use reply_urls::{FIELDS_WITH_URLS, ReplyUrls};
pub use respond::Respond;
pub use table::{NotRouted, Placed, Route, RouteAction, RouteTable, is_prefix};
pub use template::{TemplateError, UrlTemplate};
pub use undo::{UndoError, UndoRule, UndoRules, is_safe, names_collection};
