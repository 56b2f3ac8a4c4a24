//! A real Prometheus that scrapes a gateway.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::client::Request;
use super::ports::{accepts, loopback, start_on_free_ports};
use super::process::Process;
use super::programs::program;

/// A Prometheus that runs.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes `/metrics` there, several times a second.
    pub(crate) fn scraping(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        let scrape = format!(
            "scrape_configs:\n  - job_name: batchgate\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n    \
             static_configs: [{{ targets: ['{target}'] }}]\n"
        );
        fs::write(&file, scrape).unwrap();
        let command = |[port]: [u16; 1]| {
            let mut command = Command::new(program("prometheus"));
            command.arg(format!("--config.file={}", file.display()));
            command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
            command.arg("--enable-feature=exemplar-storage");
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command
        };
        let ready = |[port]: [u16; 1]| {
            accepts(loopback(port)) && Request::get("/-/ready").send(loopback(port)).status == 200
        };
        let (process, [port]) = start_on_free_ports("prometheus", command, ready);
        Self { process, port, _folder: folder }
    }

    /// The labels of the exemplars of a `PromQL` expression, of all times.
    pub(crate) fn exemplars(&self, expression: &str) -> Vec<Value> {
        let encoded = percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
        let query = format!("/api/v1/query_exemplars?query={encoded}&start=0&end=9999999999");
        let answer = Request::get(&query).send(loopback(self.port)).json();
        assert_eq!(answer["status"], "success", "{answer} {}", self.process.output());
        let series = answer["data"].as_array().into_iter().flatten();
        let exemplars = series.flat_map(|series| series["exemplars"].as_array().cloned().unwrap_or_default());
        exemplars.map(|exemplar| exemplar["labels"].clone()).collect()
    }

    /// The value of a `PromQL` expression that gives one number; `None` while it gives nothing.
    pub(crate) fn query(&self, expression: &str) -> Option<f64> {
        let encoded = percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
        let reply = Request::get(&format!("/api/v1/query?query={encoded}")).send(loopback(self.port));
        let answer = reply.json();
        assert_eq!(answer["status"], "success", "{answer} {}", self.process.output());
        let value: &Value = &answer["data"]["result"][0]["value"][1];
        value.as_str().map(|number| number.parse().unwrap())
    }
}
