//! New certificates in the files that a configuration names, without reading the configuration again.
//!
//! In: settings in use. Out: the same with what the files of certificates, keys and authorities have now. A file that
//! can't be used (half-written, or with a key of another certificate) changes nothing: what was read before stays.

use std::path::{Path, PathBuf};

use super::authorities::Authorities;
use super::key_pair::KeyPair;
use super::settings::Settings;
use super::upstream_tls::Trust;

/// What became of the files of certificates.
#[derive(Debug, Default)]
pub struct Renewal {
    /// The files whose content is new and in the settings. Of a pair, the certificate's.
    pub taken: Vec<PathBuf>,
    /// The files that can't be used, and why.
    pub refused: Vec<RefusedFile>,
}

/// A file that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFile {
    /// Where it is. Of a pair, the certificate's.
    pub file: PathBuf,
    /// Why; reads on from its name.
    pub reason: String,
}

impl Settings {
    /// Reads the files of all certificates again, and puts what they have in place of what they had.
    pub fn renew_certificates(&mut self) -> Renewal {
        let mut renewal = Renewal::default();
        for tls in self.listen.iter_mut().filter_map(|listener| listener.tls.as_mut()) {
            tls.certificates_mut().for_each(|served| renewal.pair(&mut served.pair));
            tls.clients.iter_mut().for_each(|authorities| renewal.authorities(authorities));
        }
        for upstream in &mut self.upstreams {
            if let Trust::Only(authorities) = &mut upstream.tls.trust {
                renewal.authorities(authorities);
            }
            upstream.tls.identity.iter_mut().for_each(|pair| renewal.pair(pair));
        }
        renewal
    }

    /// The certificates that the gateway presents, to clients and to targets.
    pub fn certificates(&self) -> impl Iterator<Item = &KeyPair> {
        let listeners = self.listen.iter().filter_map(|listener| listener.tls.as_ref());
        let listeners = listeners.flat_map(|tls| tls.certificates().map(|served| &served.pair));
        listeners.chain(self.upstreams.iter().filter_map(|upstream| upstream.tls.identity.as_ref()))
    }
}

impl Renewal {
    fn pair(&mut self, pair: &mut KeyPair) {
        let file = pair.certificate.clone();
        let read = pair.reread();
        self.put(pair, read, &file);
    }

    fn authorities(&mut self, authorities: &mut Authorities) {
        let file = authorities.file.clone();
        let read = Authorities::read(file.clone()).map_err(|error| error.to_string());
        self.put(authorities, read, &file);
    }

    fn put<T: PartialEq>(&mut self, place: &mut T, read: Result<T, String>, file: &Path) {
        match read {
            Ok(new) if new == *place => {}
            Ok(new) => {
                *place = new;
                self.taken.push(file.to_owned());
            }
            Err(reason) => self.refused.push(RefusedFile { file: file.to_owned(), reason }),
        }
    }
}
