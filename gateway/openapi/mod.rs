//! OpenAPI: a description of what the gateway offers its clients, for generators of clients and for test programs.
//!
//! In: the settings. Out: a [`Document`], which serialises to JSON and YAML. Pure. It has the batch endpoints, with the
//! JSON Schemas of their dialects, and the bulk routes. It does not have the routes: what is behind them is their
//! services' to describe.
//!
//! The other way round, [`import`] makes a configuration of what services say of themselves. The two are not each other's
//! reverse: one is about endpoints, the other about routes.

mod describe;
mod import;

pub use describe::{Document, describe};
pub use import::{ImportError, Imported, Loss, import};
