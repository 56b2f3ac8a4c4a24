//! The real gateway: the binary of this build, started with a configuration in a folder of its own,
//! on ports of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::client::{Connection, Reply, Request};
use super::config::Config;
use super::log_rules::fault_in;
use super::metrics::Metrics;
use super::ports::{accepts, loopback, start_on_free_ports};
use super::process::Process;
use super::succession;
use super::upstream::Upstream;
use super::wait::{until, until_true};

/// What to start a gateway with: a configuration without `listen` and `admin`, which the harness adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    yaml: String,
    /// The members of `tls` of a second listener.
    tls: Option<String>,
    /// More members of that listener.
    second: Option<String>,
    environment: Vec<(String, String)>,
    client_authority: Option<PathBuf>,
    program: Option<PathBuf>,
    unix: Option<PathBuf>,
}

impl Setup {
    /// With this configuration.
    pub(crate) fn of(yaml: impl Into<String>) -> Self {
        Self { yaml: yaml.into(), ..Self::default() }
    }

    /// With every path routed to these targets, and a batch endpoint at `/batch`.
    pub(crate) fn routing_to(targets: &[String]) -> Self {
        Config::all_to("legacy", targets.join(", ")).batch("/batch").setup()
    }

    /// Like [`Setup::routing_to`], with more members of the upstream and of the batch endpoint, each
    /// written as in a YAML flow mapping: `concurrency: 2, deadline: 1s`.
    pub(crate) fn tuned(target: &str, upstream: &str, endpoint: &str) -> Self {
        let config = Config::new().upstream("legacy", target).with(upstream).route("/", "legacy");
        config.batch("/batch").with(endpoint).setup()
    }

    /// With a second listener that speaks TLS.
    pub(crate) fn with_tls(self, certificate: &Certificate) -> Self {
        self.with_tls_of(format!(
            "certificate: {}, key: {}",
            certificate.chain().display(),
            certificate.key().display()
        ))
    }

    /// With a second listener whose `tls` has these members.
    pub(crate) fn with_tls_of(self, members: impl Into<String>) -> Self {
        Self { tls: Some(members.into()), ..self }
    }

    /// With these members of that listener, which may be all that it has: `proxy_protocol: trusted`.
    pub(crate) fn with_second_listener(self, members: &str) -> Self {
        Self { second: Some(members.to_owned()), ..self }
    }

    /// With that listener open only to clients with a certificate by this authority.
    pub(crate) fn for_clients_of(self, certificate: &Certificate) -> Self {
        Self { client_authority: Some(certificate.authority()), ..self }
    }

    /// With a variable in the environment.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another program than the one under test, or the same at another place.
    pub(crate) fn of_program(self, program: PathBuf) -> Self {
        Self { program: Some(program), ..self }
    }

    /// With one more listener, at this path.
    pub(crate) fn with_unix(self, path: PathBuf) -> Self {
        Self { unix: Some(path), ..self }
    }

    /// Starts it.
    pub(crate) fn start(self) -> Gateway {
        Gateway::start_with(self)
    }

    fn document(&self, [main, admin, second]: [u16; 3]) -> String {
        let clients = self.client_authority.as_ref();
        let clients = clients.map_or_else(String::new, |file| format!(", client_ca: {}", file.display()));
        let spoken = self.tls.as_ref().map(|members| format!("tls: {{ {members}{clients} }}"));
        let members: Vec<_> = spoken.into_iter().chain(self.second.clone()).collect();
        let second = match &*members {
            [] => String::new(),
            members => format!(", {{ address: 127.0.0.1:{second}, {} }}", members.join(", ")),
        };
        let unix = self.unix.as_ref().map_or_else(String::new, |path| format!(", unix:{}", path.display()));
        let yaml = &self.yaml;
        format!("listen: [127.0.0.1:{main}{second}{unix}]\nadmin: 127.0.0.1:{admin}\n{yaml}\n")
    }
}

/// A gateway that runs.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Process,
    setup: Setup,
    ports: [u16; 3],
    folder: TempDir,
    /// Whether there may be processes that are not our child.
    has_successors: AtomicBool,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.has_successors.load(Ordering::Acquire) {
            self.end_all();
        }
        if !thread::panicking() {
            self.process.kill();
            let lines = self.process.final_output();
            let faulty = lines.lines().find_map(|line| Some((fault_in(line)?, line)));
            assert!(faulty.is_none(), "a line of the log: {faulty:?}");
        }
    }
}

impl Gateway {
    /// One with this configuration, which has no `listen` and no `admin`.
    pub(crate) fn start(yaml: impl Into<String>) -> Self {
        Setup::of(yaml).start()
    }

    /// One that routes all to this upstream and takes batches at `/batch`.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        Setup::routing_to(&[upstream.url()]).start()
    }

    fn start_with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = config_file(&folder);
        let command = |ports| {
            fs::write(&file, setup.document(ports)).unwrap();
            let mut command = setup.program.as_ref().map_or_else(batchgate, |program| quiet(program));
            command.arg("run").arg("--config").arg(&file).envs(setup.environment.iter().cloned());
            command
        };
        let ready = |[main, admin, _]: [u16; 3]| accepts(loopback(main)) && is_healthy(loopback(admin), main);
        let (process, ports) = start_on_free_ports("batchgate", command, ready);
        Self { process, setup, ports, folder, has_successors: AtomicBool::new(false) }
    }

    /// Where clients come in.
    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.ports[0])
    }

    /// Where operators come in.
    pub(crate) fn admin(&self) -> SocketAddr {
        loopback(self.ports[1])
    }

    /// Where clients come in at the second listener, with TLS or as it was set up.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        loopback(self.ports[2])
    }

    /// The url of a path, as seen by clients.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Its configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        config_file(&self.folder)
    }

    /// Sends a request and reads the reply.
    pub(crate) fn send(&self, request: &Request) -> Reply {
        request.send(self.address())
    }

    /// Posts a batch in JSON to `/batch`.
    pub(crate) fn batch(&self, batch: &Value) -> Reply {
        self.send(&Request::batch(batch))
    }

    /// Posts one item in JSON to `/batch` and returns its result.
    pub(crate) fn item(&self, item: &Value) -> Value {
        self.batch(&serde_json::json!({ "requests": [item] })).only_result()
    }

    /// A connection of a client.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// Gets a path of the admin listener.
    pub(crate) fn admin_get(&self, path: &str) -> Reply {
        Request::get(path).send(self.admin())
    }

    /// Its metrics now.
    pub(crate) fn metrics(&self) -> Metrics {
        let reply = self.admin_get("/metrics");
        assert_eq!(reply.status, 200);
        Metrics::parse(&reply.text())
    }

    /// Waits until a metric has at least this value.
    pub(crate) fn wait_for_metric(&self, name: &str, labels: &[(&str, &str)], at_least: f64) {
        until_true(&format!("{name} {labels:?} >= {at_least}"), || {
            self.metrics().sum(name, labels) >= at_least
        });
    }

    /// Writes another configuration, again without `listen` and `admin`, over the file.
    pub(crate) fn write_config(&self, yaml: &str) {
        let setup = Setup { yaml: yaml.to_owned(), ..self.setup.clone() };
        fs::write(self.config_file(), setup.document(self.ports)).unwrap();
    }

    /// Sends a signal, by its name without SIG, to the process that serves.
    pub(crate) fn signal(&self, signal: &str) {
        if signal == "QUIT" {
            self.has_successors.store(true, Ordering::Release);
        }
        if self.has_successors.load(Ordering::Acquire) {
            succession::signal(self.serving(), signal);
        } else {
            self.process.signal(signal);
        }
    }

    /// How its first process ended; waits for that.
    pub(crate) fn wait_for_exit(&self) -> ExitStatus {
        self.process.wait()
    }

    /// Waits for a JSON log line in which these members have these values.
    pub(crate) fn log_line(&self, members: &[(&str, &str)]) -> Value {
        until(&format!("a log line with {members:?}"), || self.log_lines(members).into_iter().next())
    }

    /// The JSON log lines so far in which these members, at any depth, have these values.
    pub(crate) fn log_lines(&self, members: &[(&str, &str)]) -> Vec<Value> {
        let lines = self.process.lines();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fits = |line: &Value| members.iter().all(|(name, value)| has_member(line, name, value));
        lines.filter(fits).collect()
    }
}

/// The program under test.
pub(crate) fn batchgate() -> Command {
    quiet(env!("CARGO_BIN_EXE_batchgate").as_ref())
}

/// A program of ours without what the environment says of its output.
fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Runs `batchgate check` on a file.
pub(crate) fn check(file: &Path) -> std::process::Output {
    super::programs::run(batchgate().arg("check").arg("--config").arg(file))
}

fn config_file(folder: &TempDir) -> PathBuf {
    folder.path().join("batchgate.yaml")
}

/// Whether the gateway that listens on `main` is up. Another one may have got its port for operators in the meantime.
fn is_healthy(admin: SocketAddr, main: u16) -> bool {
    let is_up = || Request::get("/healthz").send(admin).status == 200;
    accepts(admin) && is_up() && Request::get("/config").send(admin).text().contains(&format!(":{main}"))
}

fn has_member(line: &Value, name: &str, value: &str) -> bool {
    let Some(members) = line.as_object() else { return false };
    members
        .iter()
        .any(|(member, inner)| (member == name && scalar(inner) == value) || has_member(inner, name, value))
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
