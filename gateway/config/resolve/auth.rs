//! Who may come in: files that are there and hold what they should, and a service that can be asked.

use http::HeaderName;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{AlgorithmFamily, DecodingKey};

use super::{Resolved, Resolver, all, pem};
use crate::config::document::{ApiKeysDocument, AuthDocument, ForwardAuthDocument, JwtDocument};
use crate::config::yaml::wrappers::At;
use crate::config::{ApiKey, ApiKeys, Auth, ForwardAuth, Jwt};
use crate::header::field::is_forbidden_in_item;

/// Bytes of a file of keys.
const MAX_FILE: u64 = 4 << 20;

impl Resolver<'_> {
    pub(super) fn auth(&mut self, document: &At<AuthDocument>) -> Resolved<Auth> {
        let AuthDocument { paths, api_keys, jwt, forward, pass_credentials } = &document.value;
        let paths = paths.as_ref().map(|paths| {
            let paths = paths.iter().map(|path| self.path(path)).collect();
            all(paths)
        });
        let api_keys = api_keys.as_ref().map(|keys| self.api_keys(keys));
        let jwt = jwt.as_ref().map(|jwt| self.jwt(jwt));
        let forward = forward.as_ref().map(|forward| self.forward_auth(forward));
        if api_keys.is_none() && jwt.is_none() && forward.is_none() {
            let help = "add `api_keys`, `jwt` or `forward`, or remove `auth` to let everybody in";
            return self.refuse(document.span, "`auth` lets nobody in", help);
        }
        Ok(Auth {
            paths: paths.transpose()?,
            api_keys: api_keys.transpose()?,
            jwt: jwt.transpose()?,
            forward: forward.transpose()?,
            pass_credentials: *pass_credentials,
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

    fn jwt(&mut self, document: &JwtDocument) -> Resolved<Jwt> {
        let text = self.text_file(&document.jwks)?;
        let shown = document.jwks.shown();
        let Ok(jwks) = serde_json::from_str::<JwkSet>(&text) else {
            let message = format!("the file {shown} is no JWK Set");
            return self.refuse(document.jwks.span, message, "it is `{\"keys\": [...]}` (RFC 7517 §5)");
        };
        let is_public = |key: &DecodingKey| key.family() != AlgorithmFamily::Hmac;
        if !jwks.keys.iter().any(|key| DecodingKey::from_jwk(key).as_ref().is_ok_and(is_public)) {
            let message = format!("the file {shown} has no public key that can be used");
            return self.refuse(document.jwks.span, message, "known are RSA, P-256, P-384 and Ed25519");
        }
        Ok(Jwt {
            file: self.file(&document.jwks),
            jwks,
            issuer: document.issuer.value.clone(),
            audience: document.audience.value.clone(),
            algorithms: document.algorithms.iter().map(|name| name.algorithm()).collect(),
        })
    }

    fn forward_auth(&mut self, document: &ForwardAuthDocument) -> Resolved<ForwardAuth> {
        let upstream = self.upstream_named(&document.upstream);
        let path = self.path(&document.path);
        let headers = document.headers.iter().map(|name| self.header_name(name)).collect();
        let headers = all(headers);
        let add = document.add.iter().map(|name| self.added_field(name)).collect();
        let add = all(add);
        let name = document.name.as_ref().map(|name| self.header_name(name));
        Ok(ForwardAuth {
            upstream: upstream?,
            path: path?.as_str().to_owned(),
            headers: headers?,
            add: add?,
            name: name.transpose()?,
            timeout: document.timeout.0,
        })
    }

    /// A field of the reply that the services get: not one that frames a message or names the hop.
    fn added_field(&mut self, name: &At<String>) -> Resolved<HeaderName> {
        let field = self.header_name(name)?;
        if !is_forbidden_in_item(&field) {
            return Ok(field);
        }
        let message = format!("the header {} is the gateway's own", name.shown());
        self.refuse(name.span, message, "the services get it from the gateway; remove it here")
    }

    fn text_file(&mut self, file: &At<String>) -> Resolved<String> {
        let read = self.watched_file(file, MAX_FILE);
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| pem::PemError::NotText));
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
