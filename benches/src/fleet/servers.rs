//! The servers that everybody compared shares, and what they cost.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use specs::Berth;

use super::procfs::{Seconds, seconds};

/// How long the servers' rest is watched.
const REST: Duration = Duration::from_secs(3);

/// RabbitMQ, Postgres and Redis on this machine, by process.
#[derive(Clone, Debug)]
pub struct ServerProcesses {
    all: Vec<(&'static str, u32)>,
    /// Processor seconds a second while nobody asks anything of them.
    rest: Vec<f64>,
}

impl ServerProcesses {
    /// Finds the servers of a berth by the ports they listen on, and watches them at rest.
    ///
    /// # Errors
    /// When one is not on this machine: its share could not be counted.
    pub async fn find(berth: &Berth) -> anyhow::Result<Self> {
        let named = [
            ("RabbitMQ", &berth.servers().amqp_url, 5672),
            ("Postgres", &berth.database().postgres_url, 5432),
            ("Redis", &berth.servers().redis_url, 6379),
        ];
        let mut all = Vec::new();
        for (name, url, usual) in named {
            let port = port(url).unwrap_or(usual);
            let process = super::procfs::listener(port);
            let advice = "its processor time could not be counted";
            all.push((name, process.with_context(|| format!("no {name} listens on port {port} here; {advice}"))?));
        }
        let before: Vec<f64> = all.iter().map(|(_, process)| seconds(*process)).collect();
        tokio::time::sleep(REST).await;
        let rest: Vec<f64> = all
            .iter()
            .zip(before)
            .map(|((_, process), before)| (seconds(*process) - before) / REST.as_secs_f64())
            .collect();
        ensure!(rest.iter().all(|rest| *rest < 1.0), "the servers are busy with something else: {rest:?}");
        Ok(Self { all, rest })
    }

    /// What each has used so far.
    #[must_use]
    pub fn seconds(&self) -> Seconds {
        self.all.iter().map(|(name, process)| (*name, seconds(*process))).collect()
    }

    /// Takes off what they would have used in that time anyway.
    pub fn without_rest(&self, used: &mut Seconds, time: Duration) {
        for ((name, _), rest) in self.all.iter().zip(&self.rest) {
            if let Some(used) = used.get_mut(name) {
                *used = (*used - rest * time.as_secs_f64()).max(0.0);
            }
        }
    }
}

fn port(url: &str) -> Option<u16> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_an_address_and_not_from_its_password() {
        assert_eq!(port("amqp://guest:guest@127.0.0.1:5673/%2f"), Some(5673));
        assert_eq!(port("postgres://me:123@host/db?x=1:2"), None);
        assert_eq!(port("redis://localhost:6379"), Some(6379));
    }
}
