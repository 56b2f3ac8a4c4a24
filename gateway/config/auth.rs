//! `auth`: who may come in, by files that hold what they should, or by a service that can be asked.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth_way::{Access, AuthWay};
use super::basic_auth::{Basic, BasicDocument};
use super::defaults::{number, seconds};
use super::jwt_auth::{JwkSource, JwksUrl, Jwt, JwtDocument};
use super::pem::PemError;
use super::resolver::{Resolved, Resolver, all};
use super::yaml::quantity::TimeLimit;
use super::yaml::wrappers::{At, Named};
use crate::header::field::is_forbidden_in_item;
use crate::route::{CanonicalPath, UpstreamIndex, is_prefix};

/// Bytes of a file of keys.
const MAX_FILE: u64 = 4 << 20;

/// Which clients have access. Any one of the methods grants it; the first one whose credential is present decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AuthDocument {
    /// The paths, with all below them, of single requests that it covers; all where this is absent. Batch
    /// endpoints and bulk routes are always covered.
    #[schemars(length(min = 1))]
    pub(in crate::config) paths: Option<Vec<At<String>>>,
    /// Keys from a file.
    pub(in crate::config) api_keys: Option<ApiKeysDocument>,
    /// Signed tokens (RFC 7519) in `Authorization: Bearer`.
    pub(in crate::config) jwt: Option<JwtDocument>,
    /// Names with passwords, in `Authorization: Basic` (RFC 7617).
    pub(in crate::config) basic: Option<BasicDocument>,
    /// A service that is asked about each request.
    pub(in crate::config) forward: Option<ForwardAuthDocument>,
    /// Whether the credential that let a client in is passed on to the services.
    pub(in crate::config) pass_credentials: bool,
    /// More ways, by names of your own. They give access only to the routes, batch endpoints and bulk routes whose `auth` has the
    /// name.
    #[schemars(extend("examples" = [{ "partners": { "api_keys": { "file": "partners.txt" } } }]))]
    pub(in crate::config) named: Named<At<WaysDocument>>,
}

/// The ways that have one name. Any one of them grants access; the first one whose credential is present decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct WaysDocument {
    /// Keys from a file.
    pub(in crate::config) api_keys: Option<ApiKeysDocument>,
    /// Signed tokens (RFC 7519) in `Authorization: Bearer`.
    pub(in crate::config) jwt: Option<JwtDocument>,
    /// Names with passwords, in `Authorization: Basic` (RFC 7617).
    pub(in crate::config) basic: Option<BasicDocument>,
    /// A service that is asked about each request.
    pub(in crate::config) forward: Option<ForwardAuthDocument>,
}

impl AuthDocument {
    /// The services that are asked.
    pub(super) fn asked(&self) -> impl Iterator<Item = &ForwardAuthDocument> {
        let named = self.named.0.iter().filter_map(|(_, ways)| ways.value.forward.as_ref());
        self.forward.iter().chain(named)
    }
}

/// Keys from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ApiKeysDocument {
    /// The file: lines of `name:hash`, the hash being the SHA-256 of a key in hex. `#` starts a comment.
    #[schemars(example = &"keys.txt")]
    pub(in crate::config) file: At<String>,
    /// The field that has the key; in `Authorization` the key follows `Bearer`.
    #[serde(default = "default_key_header")]
    pub(in crate::config) header: At<String>,
}

/// A service that is asked about each request: its 2xx lets it in, its 401 or 403 does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ForwardAuthDocument {
    /// The upstream that is asked, with GET.
    #[schemars(example = &"login")]
    pub(in crate::config) upstream: At<String>,
    /// The path there.
    #[schemars(example = &"/check")]
    pub(in crate::config) path: At<String>,
    /// The fields of the request that it gets.
    #[serde(default = "default_asked_headers")]
    pub(in crate::config) headers: Vec<At<String>>,
    /// The fields of its reply that the services get. From clients they are never taken.
    #[serde(default)]
    pub(in crate::config) add: Vec<At<String>>,
    /// The field of its reply that names the client, for the log and rate limits.
    pub(in crate::config) name: Option<At<String>>,
    /// How long it may take.
    #[serde(default = "seconds::<1>", with = "TimeLimit")]
    pub(in crate::config) timeout: Duration,
    /// Whether its answers are used again for equal questions; absent: each request has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) cache: Option<ForwardCache>,
}

/// Answers that are used again. What lets a client in is kept; equal questions at the same time are asked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardCache {
    /// For how long at most; less if the answer's Cache-Control says so.
    #[serde(with = "TimeLimit")]
    pub keep: Duration,
    /// How many are kept.
    #[schemars(range(max = 1_000_000))]
    pub max: NonZeroUsize,
    /// Whether questions about different methods and urls are different.
    pub per_url: bool,
}

impl Default for ForwardCache {
    fn default() -> Self {
        Self { keep: seconds::<10>(), max: number::<10_000>(), per_url: true }
    }
}

fn default_key_header() -> At<String> {
    "X-API-Key".to_owned().into()
}

fn default_asked_headers() -> Vec<At<String>> {
    vec!["Authorization".to_owned().into()]
}

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// The paths of single requests that are covered; `None`: all. Batch endpoints and bulk routes always are.
    pub paths: Option<Vec<CanonicalPath>>,
    /// The ways for all that names no others.
    pub ways: Ways,
    /// The ways of each name.
    pub named: Vec<(Arc<str>, Ways)>,
    /// Whether credentials are passed on.
    pub pass_credentials: bool,
    /// The fields in which services learn who a client is.
    pub(super) added: Vec<HeaderName>,
}

/// Ways to come in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ways {
    /// Keys from a file.
    pub api_keys: Option<ApiKeys>,
    /// Signed tokens.
    pub jwt: Option<Jwt>,
    /// Names with passwords.
    pub basic: Option<Basic>,
    /// A service that is asked.
    pub forward: Option<ForwardAuth>,
}

impl Ways {
    /// Whether clients can use this way.
    #[must_use]
    pub const fn has(&self, way: AuthWay) -> bool {
        match way {
            AuthWay::ApiKeys => self.api_keys.is_some(),
            AuthWay::Jwt => self.jwt.is_some(),
            AuthWay::Basic => self.basic.is_some(),
            AuthWay::Forward => self.forward.is_some(),
        }
    }

    /// Whether nobody can come in by them.
    pub(super) fn is_empty(&self) -> bool {
        !AuthWay::ALL.into_iter().any(|way| self.has(way))
    }

    /// The fields that only these ways may say.
    fn added(&self) -> impl Iterator<Item = &HeaderName> {
        let by_claims = self.jwt.iter().flat_map(|jwt| jwt.claims.iter().map(|(name, _)| name));
        by_claims.chain(self.forward.iter().flat_map(|forward| &forward.add))
    }
}

impl Auth {
    /// Whether a single request to this path is covered, in any way that a service may read the path.
    #[must_use]
    pub fn covers(&self, path: &CanonicalPath) -> bool {
        let covers = |paths: &[CanonicalPath]| {
            let is_below = |read: &CanonicalPath| paths.iter().any(|prefix| is_prefix(prefix, read));
            is_below(path) || path.other_readings().any(|reading| is_below(&reading.path))
        };
        self.paths.as_deref().is_none_or(covers)
    }

    /// The ways of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Ways> {
        self.named.iter().find(|(own, _)| **own == *name).map(|(_, ways)| ways)
    }

    /// All ways, whatever they give access to.
    pub fn all_ways(&self) -> impl Iterator<Item = &Ways> {
        std::iter::once(&self.ways).chain(self.named.iter().map(|(_, ways)| ways))
    }

    /// The urls from which the keys of issuers are fetched.
    pub fn jwks_urls(&self) -> impl Iterator<Item = &JwksUrl> {
        self.all_ways().filter_map(|ways| ways.jwt.as_ref()).filter_map(|jwt| match &jwt.jwks {
            JwkSource::Url(url) => Some(url),
            JwkSource::File(_) => None,
        })
    }

    /// The fields that only the asked service, or a token's claims, may say.
    #[must_use]
    pub fn added(&self) -> &[HeaderName] {
        &self.added
    }
}

/// Keys from a file.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeys {
    /// Where they are from.
    pub file: PathBuf,
    /// The field that has the key.
    pub header: HeaderName,
    /// The keys; several may have one name.
    pub keys: Vec<ApiKey>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiKeys").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A key that is not known itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose it is.
    pub name: Arc<str>,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

/// A service that is asked about each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// The upstream that is asked.
    pub upstream: UpstreamIndex,
    /// The path there.
    pub path: String,
    /// The fields of a request that it gets.
    pub headers: Vec<HeaderName>,
    /// The fields of its reply that the services get.
    pub add: Vec<HeaderName>,
    /// The field of its reply that names the client.
    pub name: Option<HeaderName>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether its answers are used again.
    pub cache: Option<ForwardCache>,
}

/// Ways as they are written, under `auth` itself or under a name.
type WrittenWays<'document> = (
    Option<&'document ApiKeysDocument>,
    Option<&'document JwtDocument>,
    Option<&'document BasicDocument>,
    Option<&'document ForwardAuthDocument>,
);

impl Resolver<'_> {
    pub(super) fn auth(&mut self, document: &At<AuthDocument>) -> Resolved<Auth> {
        let AuthDocument { paths, api_keys, jwt, basic, forward, pass_credentials, named } = &document.value;
        let paths = paths.as_ref().map(|paths| all(paths.iter().map(|path| self.path(path))));
        let own = (api_keys.as_ref(), jwt.as_ref(), basic.as_ref(), forward.as_ref());
        let ways = self.ways(own);
        let named = all(named.0.iter().map(|(name, document)| self.named_ways(name, document)));
        let (ways, named) = (ways?, named?);
        if ways.is_empty() && named.is_empty() {
            let help = "add `api_keys`, `jwt`, `basic` or `forward`, or remove `auth` to let everybody in";
            return self.refuse(document.span, "`auth` lets nobody in", help);
        }
        let mut auth = Auth {
            paths: paths.transpose()?,
            ways,
            named,
            pass_credentials: *pass_credentials,
            added: Vec::new(),
        };
        auth.added = auth.all_ways().flat_map(Ways::added).cloned().collect();
        Ok(auth)
    }

    fn named_ways(&mut self, name: &At<String>, document: &At<WaysDocument>) -> Resolved<(Arc<str>, Ways)> {
        let WaysDocument { api_keys, jwt, basic, forward } = &document.value;
        let label = self.label(name);
        let ways = self.ways((api_keys.as_ref(), jwt.as_ref(), basic.as_ref(), forward.as_ref()))?;
        label?;
        if !matches!(Access::of(&name.value), Access::Named(_)) {
            let message = format!("{} can't be a name of your own: it means something else", name.shown());
            return self.refuse(name.span, message, "take another name");
        }
        if ways.is_empty() {
            let message = format!("{} lets nobody in", name.shown());
            return self.refuse(name.span, message, "add `api_keys`, `jwt`, `basic` or `forward`");
        }
        Ok((name.value.as_str().into(), ways))
    }

    fn ways(&mut self, (api_keys, jwt, basic, forward): WrittenWays<'_>) -> Resolved<Ways> {
        if let Some((keys, _)) = api_keys.zip(jwt)
            && keys.header.value.eq_ignore_ascii_case(header::AUTHORIZATION.as_str())
        {
            let message = "every token is taken for a key and refused: `jwt` lets nobody in";
            let help = "take the keys from a field of their own, such as `header: X-API-Key`";
            self.warn(keys.header.span, message, help);
        }
        let api_keys = api_keys.map(|keys| self.api_keys(keys));
        let jwt = jwt.map(|jwt| self.jwt(jwt));
        let basic = basic.map(|basic| self.basic(basic));
        let forward = forward.map(|forward| self.forward_auth(forward));
        Ok(Ways {
            api_keys: api_keys.transpose()?,
            jwt: jwt.transpose()?,
            basic: basic.transpose()?,
            forward: forward.transpose()?,
        })
    }

    fn api_keys(&mut self, document: &ApiKeysDocument) -> Resolved<ApiKeys> {
        let header = self.header_name(&document.header);
        let file = self.file(&document.file);
        let text = self.text_file(&document.file);
        let mut keys = Vec::new();
        for (number, line) in text?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(key) = api_key(line) else {
                let shown = document.file.shown();
                let message = format!("line {} of the file {shown} has no key", number + 1);
                let help = "write `name:hash`; the hash of a key is `printf %s KEY | sha256sum`";
                return self.refuse(document.file.span, message, help);
            };
            keys.push(key);
        }
        if keys.is_empty() {
            let message = format!("the file {} has no key", document.file.shown());
            return self.refuse(document.file.span, message, "write lines of `name:hash`");
        }
        Ok(ApiKeys { file, header: header?, keys })
    }

    fn forward_auth(&mut self, document: &ForwardAuthDocument) -> Resolved<ForwardAuth> {
        let upstream = self.upstream_named(&document.upstream);
        let path = self.path(&document.path);
        let headers = all(document.headers.iter().map(|name| self.header_name(name)));
        let add = all(document.add.iter().map(|name| self.added_field(name)));
        let name = document.name.as_ref().map(|name| self.header_name(name));
        Ok(ForwardAuth {
            upstream: upstream?,
            path: path?.as_str().to_owned(),
            headers: headers?,
            add: add?,
            name: name.transpose()?,
            timeout: document.timeout,
            cache: document.cache,
        })
    }

    /// A field of the reply that the services get: not one that frames a message or names the hop.
    pub(super) fn added_field(&mut self, name: &At<String>) -> Resolved<HeaderName> {
        let field = self.header_name(name)?;
        if !is_forbidden_in_item(&field) {
            return Ok(field);
        }
        let message = format!("the header {} is the gateway's own", name.shown());
        self.refuse(name.span, message, "the services get it from the gateway; remove it here")
    }

    pub(super) fn text_file(&mut self, file: &At<String>) -> Resolved<String> {
        let read = self.watched_file(file, MAX_FILE);
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| PemError::NotText));
        self.pem(file, text)
    }
}

/// `name:hash`.
fn api_key(line: &str) -> Option<ApiKey> {
    let (name, hash) = line.rsplit_once(':')?;
    let (name, hash) = (name.trim(), hash.trim());
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) || hash.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(hash.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(ApiKey { name: name.into(), hash: bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Strictness;

    #[test]
    fn a_path_is_covered_however_a_service_reads_it() {
        let path = |text: &str| CanonicalPath::parse(text, Strictness::Proxied).unwrap();
        let paths = Some(vec![path("/od/$admin")]);
        let auth = Auth { paths, ..Auth::default() };
        for covered in [
            "/od/$admin",
            "/od/%24admin/x",
            "/od/$admin%2Fx",
            "/od%5C$admin",
            "/%2Fod/$admin",
            "/od;a/$admin;b=1/x",
            "/od//$admin/x",
            "/od/;a/$admin",
        ] {
            assert!(auth.covers(&path(covered)), "{covered}");
        }
        for open in ["/od/$administrator", "/od", "/x/od/$admin"] {
            assert!(!auth.covers(&path(open)), "{open}");
        }
    }

    #[test]
    fn a_key_is_a_name_and_a_hash() {
        let hash = "0A".repeat(32);
        let key = api_key(&format!("app: one :{hash}")).unwrap();
        assert_eq!((&*key.name, key.hash), ("app: one", [10; 32]));
        for line in ["app", ":0a", "app:0a", &format!(":{hash}"), &format!("app:{}", "+a".repeat(32))] {
            assert!(api_key(line).is_none(), "{line}");
        }
    }
}
