//! Reloads under load: routes, certificates and compression change, and no request is lost.

use std::fs;

use crate::harness::certificate::Certificate;
use crate::harness::load::Load;
use crate::harness::tls::subject_at;
use crate::harness::{Config, Gateway, Upstream, until};

const RELOADS: &str = "batchgate_config_reloads_total";

/// How often the configuration changes.
const TIMES: u32 = 20;

/// The configuration of one round. `/single` is answered with 200 by each, in another way.
fn config(round: u32, upstream: &Upstream) -> Config {
    let config = Config::new().upstream("legacy", upstream.url()).route("/other", "legacy");
    match round % 4 {
        0 => config.route("/", "legacy"),
        1 => config
            .route("/single", "legacy")
            .with("compress: true, rewrite: { strip_prefix: /single, add_prefix: /v1 }"),
        2 => config
            .respond("/single", "status: 200, body: fixed")
            .with("compress: true, response_headers: { set: { X-A: '1' } }"),
        _ => config
            .route("/", "legacy")
            .respond("/single", "status: 404")
            .with("match: { headers: { X-None: '1' } }"),
    }
}

/// A certificate and its key in files that a listener names.
struct Files(tempfile::TempDir);

impl Files {
    fn put(&self, certificate: &Certificate) {
        fs::copy(certificate.chain(), self.0.path().join("tls.crt")).unwrap();
        fs::copy(certificate.key(), self.0.path().join("tls.key")).unwrap();
    }

    fn members(&self) -> String {
        let folder = self.0.path().display();
        format!("certificate: {folder}/tls.crt, key: {folder}/tls.key")
    }
}

/// Takes another configuration into use.
fn reload(gateway: &Gateway, config: &Config) {
    let taken = gateway.metrics().sum(RELOADS, &[("result", "taken")]);
    gateway.write_config(&config.to_yaml());
    gateway.signal("HUP");
    gateway.wait_for_metric(RELOADS, &[("result", "taken")], taken + 1.0);
}

#[test]
fn no_request_is_lost_while_routes_certificates_and_compression_change() {
    let (upstream, authority) = (Upstream::start(), Certificate::for_loopback());
    let files = Files(tempfile::tempdir().unwrap());
    files.put(&authority);
    let gateway = config(0, &upstream).setup().with_tls_of(files.members()).start();
    let (plain, secure) = (gateway.url("/single"), format!("https://{}/single", gateway.tls_address()));
    let mut load = Load::of_singles(&[("http/1.1", plain.clone()), ("h2c", plain), ("h2c", secure)]);
    let certificates = ["/CN=one", "/CN=two"].map(|name| authority.client(name, "DNS:localhost"));
    for round in 1..=TIMES {
        files.put(&certificates[usize::from(round % 2 == 0)]);
        reload(&gateway, &config(round, &upstream));
    }
    let answered = load.end_singles();
    assert!(answered > 0);
    assert_eq!(subject_at(gateway.tls_address(), None), "two");
    let counted = gateway.metrics().sum("batchgate_requests_total", &[]);
    assert!(counted >= f64::from(u32::try_from(answered).unwrap()), "{counted} of {answered}");
}

/// The series of gauges that have this part.
fn gauges(gateway: &Gateway, part: &str) -> Vec<String> {
    let text = gateway.admin_get("/metrics").text();
    let is_gauge = |series: &str| {
        let name = series.split(['{', ' ']).next().unwrap_or_default();
        text.contains(&format!("# TYPE {name} gauge\n"))
    };
    text.lines().filter(|line| line.contains(part) && is_gauge(line)).map(str::to_owned).collect()
}

#[test]
fn gauges_of_what_a_reload_removes_go() {
    let (stays, removed) = (Upstream::start(), Upstream::start());
    let with_stays = Config::new().upstream("stays", stays.url()).route("/", "stays");
    let keys = format!("auth: {{ jwt: {{ jwks: \"{}/keys\", audience: a, issuer: i }} }}", stays.url());
    let both = with_stays.clone().upstream("removed", removed.url()).route("/removed", "removed").raw(keys);
    let gateway = both.start();
    for (part, families) in [("upstream=\"removed\"", 5), ("/keys\"", 1)] {
        let found = gauges(&gateway, part);
        assert!(found.len() >= families, "{part}: {found:?}");
    }
    reload(&gateway, &with_stays);
    for part in ["upstream=\"removed\"", "/keys\""] {
        assert_eq!(gauges(&gateway, part), Vec::<String>::new());
    }
    assert!(gauges(&gateway, "upstream=\"stays\"").len() >= 5);
}

/// A change that waits for the next start is not forgotten with the next reload, and never shown as if it were in use.
#[test]
fn every_reload_says_what_waits_for_the_next_start() {
    let upstream = Upstream::start();
    let config = |round: u32, threads: u32| {
        let all = Config::all_to("orders", upstream.url()).with(format!("name: round-{round}"));
        all.raw(format!("threads: {threads}"))
    };
    let gateway = config(0, 1).start();
    let taken = |round: u32| {
        let labels = [("result", "taken")];
        gateway.wait_for_metric("batchgate_config_reloads_total", &labels, f64::from(round + 1));
    };
    let waiting = || gateway.log_lines(&[("kind", "reload"), ("key", "threads")]).len();
    for (round, threads, lines) in [(1, 2, 1), (2, 2, 2), (3, 1, 2)] {
        gateway.write_config(&config(round, threads).to_yaml());
        taken(round);
        until(&format!("{lines} warnings after reload {round}"), || (waiting() >= lines).then_some(()));
        assert_eq!(waiting(), lines, "after reload {round}");
        let shown = gateway.admin_get("/config").text();
        assert!(shown.contains("\nthreads: 1\n"), "after reload {round}: {shown}");
        assert_eq!(shown.starts_with('#'), threads == 2, "after reload {round}: {shown}");
    }
}
