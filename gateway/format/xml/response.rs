//! The responses of the gateway's multistatus (RFC 4918 §14.24): one for each url, whatever
//! number of items share it (§4.2 of the protocol).

use std::collections::HashMap;

use http::header::LOCATION;
use http::{Method, StatusCode};

use super::dav::{is_dav_type, root_of};
use super::multistatus::{self, UpstreamResponse};
use crate::batch::{ItemIndex, ItemResult, ResultBody};
use crate::format::media::MediaType;
use crate::route::{AbsoluteUrl, CanonicalPath, Strictness, encoded_path, encoded_query};

/// The content of one `D:response`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// The url.
    pub(super) href: String,
    /// The worst status of all that share the url; none if there are propstats only.
    pub(super) status: Option<u16>,
    /// `DAV:propstat` elements of upstreams.
    pub(super) propstats: Vec<String>,
    /// A `DAV:error` element of an upstream.
    pub(super) error: Option<String>,
    /// What an upstream says of it.
    pub(super) description: Option<String>,
    /// Where it redirects to.
    pub(super) location: Option<Redirect>,
    /// Other elements of upstreams.
    pub(super) extensions: Vec<String>,
    /// The items whose results belong here.
    pub(super) items: Vec<ItemIndex>,
}

/// Equal propstats of one url are dropped up to this number.
const MAX_COMPARED: usize = 16;

/// A redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// An item's Location.
    Url(String),
    /// An upstream's `DAV:location` element.
    Element(String),
}

/// The responses in the order of the first appearance of their urls.
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// Each with its place in that order.
    by_href: HashMap<String, (usize, Response)>,
}

impl Responses {
    /// Adds an item's result. A multistatus in its body is merged in, and taken out of the result.
    pub(super) fn add(&mut self, index: ItemIndex, result: &mut ItemResult) {
        let dav = dav_content(result);
        let href = href_of(index, result);
        let response = self.response_to(&href);
        response.items.push(index);
        response.worsen(result.status.as_u16());
        if result.status.is_redirection()
            && let Some(location) = location_of(result)
        {
            response.location.get_or_insert(Redirect::Url(location.to_owned()));
        }
        match dav {
            DavContent::None => {}
            DavContent::Error(error) => {
                response.error.get_or_insert(error);
            }
            DavContent::Multistatus(merged) => {
                response.extensions.extend(merged.extensions);
                result.body = ResultBody::Absent;
                for upstream in merged.responses {
                    self.merge(upstream);
                }
            }
        }
    }

    /// All of them.
    pub(super) fn into_list(self) -> Vec<Response> {
        let mut list: Vec<_> = self.by_href.into_values().collect();
        list.sort_unstable_by_key(|(order, _)| *order);
        list.into_iter().map(|(_, response)| response).collect()
    }

    /// A response to several urls becomes one for each.
    fn merge(&mut self, mut upstream: UpstreamResponse) {
        let hrefs = std::mem::take(&mut upstream.hrefs);
        for href in &hrefs {
            self.response_to(href).merge(upstream.clone());
        }
    }

    /// The response of a url. Urls that differ in a trailing slash only are the same, as servers
    /// name collections either way (RFC 4918 §5.2), and so are different spellings of one path
    /// (RFC 3986 §6.2.2): Apache writes `%c3` for `%C3`, and a client may write `é`.
    fn response_to(&mut self, href: &str) -> &mut Response {
        let (path, query) = href.split_at(href.find('?').unwrap_or(href.len()));
        let encoded = encoded_path(path);
        let canonical = CanonicalPath::parse(&encoded, Strictness::Proxied);
        let path = canonical.as_ref().map_or(path, CanonicalPath::as_str);
        let key = format!("{path}{}", encoded_query(query));
        let key = key.strip_suffix('/').map(str::to_owned).unwrap_or(key);
        let order = self.by_href.len();
        let new = || (order, Response { href: href.to_owned(), ..Response::default() });
        let (_, response) = self.by_href.entry(key).or_insert_with(new);
        response
    }
}

impl Response {
    fn worsen(&mut self, status: u16) {
        self.status = self.status.max(Some(status));
    }

    fn merge(&mut self, upstream: UpstreamResponse) {
        self.status = self.status.max(upstream.status);
        for propstat in upstream.propstats {
            // Two items may well have asked for the same; comparing with all would take too long.
            if self.propstats.len() > MAX_COMPARED || !self.propstats.contains(&propstat) {
                self.propstats.push(propstat);
            }
        }
        self.error = self.error.take().or(upstream.error);
        self.description = self.description.take().or(upstream.description);
        self.location = self.location.take().or(upstream.location.map(Redirect::Element));
        self.extensions.extend(upstream.extensions);
    }
}

enum DavContent {
    None,
    Multistatus(multistatus::UpstreamMultistatus),
    Error(String),
}

/// What an upstream's body adds to the document in addition to the item itself.
fn dav_content(result: &ItemResult) -> DavContent {
    let ResultBody::Bytes(bytes) = &result.body else { return DavContent::None };
    if !MediaType::from_fields(&result.headers).is_some_and(|media| is_dav_type(media.essence)) {
        return DavContent::None;
    }
    let found = match root_of(bytes).as_deref() {
        Some("multistatus") => multistatus::parse(bytes).map(DavContent::Multistatus),
        Some("error") => multistatus::parse_error(bytes).map(DavContent::Error),
        Some(_) | None => None,
    };
    found.unwrap_or(DavContent::None)
}

/// The url of an item: what it created, else what it asked for, encoded. An href has no fragment
/// (RFC 4918 §8.3).
fn href_of(index: ItemIndex, result: &ItemResult) -> String {
    let created = result.status == StatusCode::CREATED && result.subject.method == Method::POST;
    let created = location_of(result).filter(|_| created).and_then(path_of);
    let href = created.unwrap_or(&result.subject.href);
    let href = encoded_query(href.split('#').next().unwrap_or_default());
    // RFC 4918 §8.3: an absolute URI or a path. A rejected item's url may be neither.
    let is_path = href.starts_with('/') && !href.starts_with("//");
    let is_reference = is_path || href.starts_with("http://") || href.starts_with("https://");
    if is_reference && href.bytes().all(is_allowed_in_a_uri) {
        href.into_owned()
    } else {
        format!("urn:batchgate:item:{}", index.position())
    }
}

/// RFC 3986 §2.
const fn is_allowed_in_a_uri(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn location_of(result: &ItemResult) -> Option<&str> {
    let (_, value) = result.headers.iter().find(|(name, _)| name == LOCATION)?;
    value.to_str().ok()
}

/// Path and query of a url; `None` if it has no absolute path.
fn path_of(url: &str) -> Option<&str> {
    let path = AbsoluteUrl::parse(url).map_or(url, |absolute| absolute.rest);
    path.starts_with('/').then_some(path)
}
