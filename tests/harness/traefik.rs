//! A real Traefik, with the dynamic configuration that a test gives it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::client::Request;
use super::ports::{accepts, loopback, start_on_free_ports};
use super::process::Process;
use super::programs::program;

/// The host of Traefik's own pages: `ping` tells that the configuration is in use, `api` what it is.
const OWN: &str = "own.test";

/// A Traefik that runs.
#[derive(Debug)]
pub(crate) struct Traefik {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Traefik {
    /// One with this dynamic configuration, in YAML.
    ///
    /// # Panics
    /// When it is not taken as it is.
    pub(crate) fn start(dynamic: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = format!(
            "http:\n  routers:\n    ping: {{ rule: 'Host(`{OWN}`)', service: 'ping@internal' }}\n    \
             api: {{ rule: 'Host(`{OWN}`) && PathPrefix(`/api`)', service: 'api@internal' }}\n"
        );
        fs::write(folder.path().join("own.yaml"), own).unwrap();
        fs::write(folder.path().join("test.yaml"), dynamic).unwrap();
        let command = |[port]: [u16; 1]| {
            let mut command = Command::new(program("traefik"));
            command.arg(format!("--entrypoints.web.address=127.0.0.1:{port}"));
            command.arg("--ping=true").arg("--ping.manualrouting=true").arg("--api=true");
            command.arg(format!("--providers.file.directory={}", folder.path().display()));
            command.args(["--providers.file.watch=false", "--log.level=WARN"]);
            command.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
            command.current_dir(folder.path());
            command
        };
        let is_up = |[port]: [u16; 1]| {
            let ping = Request::get("/ping").header("Host", OWN);
            accepts(loopback(port)) && ping.send(loopback(port)).status == 200
        };
        let (process, [port]) = start_on_free_ports("traefik", command, is_up);
        let traefik = Self { process, port, _folder: folder };
        let faults = traefik.faults();
        assert!(faults.is_empty(), "{faults:?} in\n{dynamic}");
        traefik
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// What it does not take.
    fn faults(&self) -> Vec<String> {
        let said = self.process.lines();
        let errors = said.into_iter().filter(|line| line.contains(" ERR "));
        let parts = ["routers", "middlewares", "services"].into_iter().flat_map(|part| {
            let request = Request::get(&format!("/api/http/{part}?per_page=1000")).header("Host", OWN);
            request.send(self.address()).json().as_array().unwrap().clone()
        });
        let refused = parts.filter(|part| part["status"] != "enabled").map(|part: Value| part.to_string());
        errors.chain(refused).collect()
    }
}
