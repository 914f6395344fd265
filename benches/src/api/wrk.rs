//! `wrk` as the one who calls.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;

/// A load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Who is called.
    pub address: SocketAddr,
    /// What is called.
    pub path: String,
    /// The key that is shown.
    pub key: &'static str,
    /// What is posted; without a body it is a GET.
    pub body: Option<Value>,
    /// Connections, each with one call at a time.
    pub connections: u16,
    /// How long.
    pub time: Duration,
}

/// What calls took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Taken {
    /// Calls a second.
    pub per_s: f64,
    /// Half of them took at most this long.
    pub p50_ms: f64,
    /// All but one of a hundred took at most this long.
    pub p99_ms: f64,
}

impl Load {
    /// Calls for as long as that takes.
    ///
    /// # Errors
    /// When `wrk` is missing, or a call was answered with an error.
    pub async fn run(&self, folder: &Path) -> anyhow::Result<Taken> {
        let script = folder.join("wrk.lua");
        let body = self.body.as_ref().map(Value::to_string);
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut lua = format!(
            "wrk.method = \"{method}\"\nwrk.headers[\"Authorization\"] = \"Bearer {}\"\n\
             wrk.headers[\"Content-Type\"] = \"application/json\"\n",
            self.key
        );
        if let Some(body) = body {
            // JSON holds no such bracket as it is written here.
            lua.push_str(&format!("wrk.body = [==[{body}]==]\n"));
        }
        std::fs::write(&script, lua)?;
        let connections = self.connections.to_string();
        let time = format!("{}s", self.time.as_secs().max(1));
        let url = format!("http://{}{}", self.address, self.path);
        let mut wrk = Command::new("wrk");
        wrk.args([
            "--latency",
            "--timeout",
            "30s",
            "--threads",
            "1",
            "--connections",
            &connections,
            "--duration",
            &time,
        ]);
        wrk.arg("--script").arg(&script).arg(url).kill_on_drop(true);
        let output = wrk.output().await.context("wrk is missing; `make bench-api` installs it")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        let refused = text.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
        ensure!(refused.is_none(), "calls of {} failed: {}", self.path, refused.unwrap_or_default());
        read(&text).with_context(|| format!("wrk said: {text}"))
    }
}

fn read(text: &str) -> Option<Taken> {
    let value = |beginning: &str| text.lines().find_map(|line| line.trim().strip_prefix(beginning)).map(str::trim);
    Some(Taken {
        per_s: value("Requests/sec:")?.parse().ok()?,
        p50_ms: milliseconds(value("50%")?)?,
        p99_ms: milliseconds(value("99%")?)?,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 60e3)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let text = "  Latency Distribution\n     50%  635.00us\n     75%  800.00us\n     90%    1.10ms\n     99%    1.25s \n\
                    Requests/sec:  12345.67\nTransfer/sec:      1.00MB\n";
        assert_eq!(read(text), Some(Taken { per_s: 12345.67, p50_ms: 0.635, p99_ms: 1250.0 }));
        assert_eq!(read("nothing"), None);
    }
}
