//! Readers of the events of a run, many at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long until the last of them has heard.
const PATIENCE: Duration = Duration::from_secs(60);

/// Readers that listen.
pub struct Listening {
    readers: Vec<BufReader<TcpStream>>,
}

/// Opens that many streams of events of a run; every one has been answered then.
///
/// # Errors
/// When one is refused.
pub async fn listen(address: SocketAddr, key: &str, run: &str, count: usize) -> anyhow::Result<Listening> {
    let mut readers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let request = format!(
            "GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        ensure!(line.contains(" 200 "), "a reader was answered: {line}");
        readers.push(stream);
    }
    Ok(Listening { readers })
}

impl Listening {
    /// Lets something happen to the run, and waits until all have heard of its end. Returns how long that took.
    ///
    /// # Errors
    /// When it does not happen, or one does not hear of it.
    pub async fn until_told(self, happening: impl Future<Output = anyhow::Result<Value>>) -> anyhow::Result<Duration> {
        let mut listening = JoinSet::new();
        for reader in self.readers {
            listening.spawn(async move {
                let mut lines = reader.lines();
                while let Some(line) = lines.next_line().await? {
                    if line.contains("cancelled") {
                        return Ok(());
                    }
                }
                anyhow::bail!("a stream ended before the end of the run was told")
            });
        }
        let began = Instant::now();
        happening.await?;
        let all = async {
            while let Some(told) = listening.join_next().await {
                told??;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, all).await.context("not all readers heard of the end of the run")??;
        Ok(began.elapsed())
    }
}
