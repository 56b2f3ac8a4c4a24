//! Where items come in: a batch endpoint or a bulk route.

use http::Method;

use crate::config::{BatchEndpoint, BulkRoute, Settings};
use crate::dialect::{Dialect, ItemSource};
use crate::format::Bulk;
use crate::route::CanonicalPath;

/// Where items come in.
#[derive(Clone, Copy)]
pub(crate) struct EntryPoint<'settings> {
    /// What a batch may cost here, and how it runs.
    pub(crate) endpoint: &'settings BatchEndpoint,
    bulk: Option<&'settings BulkRoute>,
}

impl<'settings> EntryPoint<'settings> {
    pub(super) const fn batch(endpoint: &'settings BatchEndpoint) -> Self {
        Self { endpoint, bulk: None }
    }

    pub(super) const fn bulk(bulk: &'settings BulkRoute) -> Self {
        Self { endpoint: &bulk.endpoint, bulk: Some(bulk) }
    }

    /// The entry point with this name, which is its path.
    pub(super) fn named(settings: &'settings Settings, name: &str) -> Option<Self> {
        let batch = settings.batch.iter().find(|endpoint| endpoint.path.as_str() == name);
        let bulk = || settings.bulk.iter().find(|bulk| bulk.endpoint.path.as_str() == name);
        batch.map(Self::batch).or_else(|| bulk().map(Self::bulk))
    }

    pub(super) const fn is_batch(&self) -> bool {
        self.bulk.is_none()
    }

    /// What makes items of the body of a request in this dialect, with this method and query.
    pub(super) fn item_source<'request>(
        &self,
        dialect: Dialect,
        method: &'request Method,
        query: &'request str,
    ) -> ItemSource<'request>
    where
        'settings: 'request,
    {
        match self.bulk {
            Some(bulk) => ItemSource::Records(Bulk { each: &bulk.each, method, query }),
            None => ItemSource::Batch(dialect),
        }
    }

    /// A path whose route is the only one that items may meet; `None`: any.
    pub(super) fn only_route_of(&self) -> Option<&'settings CanonicalPath> {
        self.bulk.map(|bulk| &bulk.below)
    }
}
