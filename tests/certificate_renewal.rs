//! Certificates, keys and authorities that change on disk: the next handshake uses them, and nothing else changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::certificate::Certificate;
use crate::harness::dns::{NameServer, Says};
use crate::harness::nginx::Nginx;
use crate::harness::tls::subject_at;
use crate::harness::wait::until_true;
use crate::harness::{Config, Gateway, Request, Setup, Upstream};

const RENEWALS: &str = "batchgate_certificate_renewals_total";

/// Files that a configuration names, in a folder of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn holding(certificate: &Certificate) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put(certificate);
        files
    }

    fn put(&self, certificate: &Certificate) {
        fs::copy(certificate.chain(), self.file("tls.crt")).unwrap();
        fs::copy(certificate.key(), self.file("tls.key")).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The members of a `tls` that has them.
    fn members(&self) -> String {
        format!("certificate: {}, key: {}", self.file("tls.crt").display(), self.file("tls.key").display())
    }
}

fn presenting(files: &Files, upstream: &Upstream) -> Gateway {
    Setup::routing_to(&[upstream.url()]).with_tls_of(files.members()).start()
}

fn wait_for(gateway: &Gateway, subject: &str) {
    until_true(&format!("a certificate of {subject}"), || subject_at(gateway.tls_address(), None) == subject);
}

fn renewed(gateway: &Gateway, result: &str, times: f64) {
    gateway.wait_for_metric(RENEWALS, &[("result", result)], times);
}

fn named(authority: &Certificate, name: &str) -> Certificate {
    authority.client(&format!("/CN={name}"), "DNS:localhost")
}

#[test]
fn the_next_handshake_has_the_new_certificate() {
    let (upstream, authority) = (Upstream::start(), Certificate::for_loopback());
    let (old, new) = (named(&authority, "old"), named(&authority, "new"));
    let files = Files::holding(&old);
    let gateway = presenting(&files, &upstream);
    wait_for(&gateway, "old");
    files.put(&new);
    wait_for(&gateway, "new");
    let expiry = gateway.metrics().sum("batchgate_certificate_expiry_timestamp_seconds", &[]);
    assert!(expiry > 1_700_000_000.0, "{expiry}");
    assert_eq!(gateway.metrics().count("batchgate_config_reloads_total", &[("result", "taken")]), 1);
    gateway.log_line(&[("kind", "certificate")]);
}

/// Name servers that don't answer are not waited for.
#[test]
fn a_new_certificate_looks_no_name_up() {
    let (upstream, authority, names) = (Upstream::start(), Certificate::for_loopback(), NameServer::start());
    names.says("svc.test", Says::Addresses(vec![[127, 0, 0, 1].into()], 300));
    let files = Files::holding(&named(&authority, "old"));
    let target = format!("\"http://svc.test:{}\"", upstream.address().port());
    let gateway = Config::new()
        .upstream("svc", target)
        .with("health_check: { path: /ok, interval: 20ms }")
        .route("/", "svc")
        .raw(format!("resolver: {{ servers: [\"{}\"] }}", names.address()))
        .setup()
        .with_tls_of(files.members())
        .start();
    let asked = names.says("svc.test", Says::Silence).questions();
    assert!(asked > 0);
    files.put(&named(&authority, "new"));
    wait_for(&gateway, "new");
    assert_eq!(gateway.send(&Request::get("/a")).status, 200);
    assert_eq!(names.questions(), asked);
    // The checks go on.
    let checks = || upstream.requests().iter().filter(|request| request.target == "/ok").count();
    let before = checks();
    until_true("another check", || checks() > before);
}

#[test]
fn a_pair_that_does_not_fit_changes_nothing_until_it_does() {
    let (upstream, authority) = (Upstream::start(), Certificate::for_loopback());
    let (old, new) = (named(&authority, "old"), named(&authority, "new"));
    let files = Files::holding(&old);
    let gateway = presenting(&files, &upstream);
    // A configuration that is being edited is not in the way.
    let edited = fs::read_to_string(gateway.config_file()).unwrap();
    fs::write(gateway.config_file(), "listen: [").unwrap();
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "refused")], 1.0);
    fs::copy(new.chain(), files.file("tls.crt")).unwrap();
    renewed(&gateway, "refused", 1.0);
    assert_eq!(subject_at(gateway.tls_address(), None), "old");
    let line = gateway.log_line(&[("kind", "certificate"), ("level", "ERROR")]);
    assert!(line["reason"].as_str().unwrap().ends_with("that does not belong to the certificate"), "{line}");
    fs::write(files.file("tls.crt"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    renewed(&gateway, "refused", 2.0);
    assert_eq!(subject_at(gateway.tls_address(), None), "old");
    files.put(&new);
    wait_for(&gateway, "new");
    fs::write(gateway.config_file(), edited).unwrap();
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    assert_eq!(subject_at(gateway.tls_address(), None), "new");
}

/// Kubernetes has each file of a secret as a link through `..data`, which it replaces by renaming another link.
#[test]
fn a_link_that_is_swapped_brings_the_new_certificate() {
    let (upstream, authority) = (Upstream::start(), Certificate::for_loopback());
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, certificate: &Certificate| {
        let version = folder.path().join(name);
        fs::create_dir(&version).unwrap();
        fs::copy(certificate.chain(), version.join("tls.crt")).unwrap();
        fs::copy(certificate.key(), version.join("tls.key")).unwrap();
    };
    version("..1", &named(&authority, "one"));
    version("..2", &named(&authority, "two"));
    let data = folder.path().join("..data");
    symlink("..1", &data).unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), folder.path().join(file)).unwrap();
    }
    let files = Files(folder);
    let gateway = presenting(&files, &upstream);
    wait_for(&gateway, "one");
    symlink("..2", files.file("..new")).unwrap();
    fs::rename(files.file("..new"), data).unwrap();
    wait_for(&gateway, "two");
    assert_eq!(gateway.metrics().count(RENEWALS, &[("result", "refused")]), 0);
}

#[test]
fn targets_are_judged_by_the_new_authority_and_get_the_new_certificate() {
    let (first, second) = (Certificate::for_loopback(), Certificate::for_loopback());
    let ann = Files::holding(&named(&first, "ann"));
    let authorities = ann.file("ca.pem");
    fs::copy(first.authority(), &authorities).unwrap();
    let serve = |certificate: &Certificate| {
        let (chain, key, ca) = (certificate.chain(), certificate.key(), certificate.authority());
        let [chain, key, ca] = [&chain, &key, &ca].map(|file| file.display().to_string());
        Nginx::start(
            "ssl",
            &format!(
                "ssl_certificate {chain}; ssl_certificate_key {key}; ssl_client_certificate {ca}; ssl_verify_client on;\n\
                 location / {{ default_type text/plain; return 200 $ssl_client_s_dn; }}"
            ),
        )
    };
    let (one, two) = (serve(&first), serve(&second));
    let tls = format!("tls: {{ ca: {}, {} }}", authorities.display(), ann.members());
    let url = |nginx: &Nginx| format!("https://{}", nginx.address());
    let config = Config::new().upstream("one", url(&one)).with(&tls).upstream("two", url(&two)).with(&tls);
    let config = config.route("/one", "one").route("/two", "two").batch("/batch");
    let gateway = Gateway::start(config.to_yaml());
    let status = |path: &str| gateway.item(&json!({"method": "GET", "url": path}))["status"].clone();
    assert_eq!([status("/one"), status("/two")], [200, 502]);
    fs::copy(second.authority(), &authorities).unwrap();
    ann.put(&named(&second, "bob"));
    until_true("the new authority", || [status("/one"), status("/two")] == [502, 200]);
    assert_eq!(gateway.send(&Request::get("/two")).text(), "CN=bob");
    assert_eq!(gateway.metrics().count("batchgate_config_reloads_total", &[("result", "taken")]), 1);
}

/// A file that is gone may be noticed only at the next start, which fails.
#[test]
fn a_file_that_is_gone_is_said_once_and_that_it_is_back() {
    let (upstream, authority) = (Upstream::start(), Certificate::for_loopback());
    let files = Files::holding(&named(&authority, "old"));
    let keys = files.file("keys.txt");
    fs::write(&keys, format!("robot:{}\n", "a".repeat(64))).unwrap();
    let config = Config::all_to("svc", upstream.url());
    let config = config.raw(format!("auth: {{ paths: [/none], api_keys: {{ file: {} }} }}", keys.display()));
    let gateway = config.setup().with_tls_of(files.members()).start();
    let config = gateway.config_file();
    for (file, kind) in [
        (files.file("tls.crt"), "certificate"),
        (files.file("tls.key"), "certificate"),
        (keys, "reload"),
        (config, "reload"),
    ] {
        let content = fs::read(&file).unwrap();
        let name = file.display().to_string();
        let said = |level: &str| gateway.log_lines(&[("kind", kind), ("level", level), ("file", &name)]);
        fs::remove_file(&file).unwrap();
        until_true(&format!("a warning of {name}"), || !said("WARN").is_empty());
        assert_eq!(said("WARN")[0]["reason"], "does not exist");
        assert_eq!(gateway.send(&Request::get("/a")).status, 200);
        assert_eq!(subject_at(gateway.tls_address(), None), "old");
        let again = file.with_extension("again");
        fs::write(&again, content).unwrap();
        fs::rename(&again, &file).unwrap();
        until_true(&format!("{name} again"), || !said("INFO").is_empty());
        assert_eq!((said("WARN").len(), said("INFO").len()), (1, 1), "{name}");
    }
    assert_eq!(gateway.metrics().count(RENEWALS, &[]), 0);
    assert_eq!(gateway.metrics().count("batchgate_config_reloads_total", &[]), 1);
}
