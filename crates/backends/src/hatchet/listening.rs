//! One registration as a worker: heartbeats, the stream of tasks, and its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tonic::{Code, Request, Streaming};

use super::client::asking;
use super::host::{Pause, Station};
use super::proto::{
    AssignedAction, HeartbeatRequest, RuntimeInfo, Sdks, WorkerListenRequest, WorkerRegisterRequest,
    WorkerUnsubscribeRequest,
};
use crate::port::Error;

/// How often the engine hears from us. It gives nothing to workers that it has not heard of for five seconds, and takes
/// everything back after thirty.
const HEARTBEAT: Duration = Duration::from_secs(4);

/// How often the workflows are looked through for new ones.
const LOOK: Duration = Duration::from_secs(5);

/// Why a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// Another one is needed: there are other tasks to listen for, or the engine forgot this one.
    Renewed,
    /// The worker stops; what it had in hand has ended.
    Stopped,
}

/// Registers and listens until the worker stops, or has to register again.
pub(super) async fn listen(station: &Arc<Station>, actions: &[String]) -> Result<Parting, Error> {
    let worker = register(station, actions).await?;
    tracing::info!(actions = actions.len(), worker.id = %worker, "listening for Hatchet");
    let mut forgotten = std::pin::pin!(keep_alive(station, &worker));
    let mut changed = std::pin::pin!(change(station, actions));
    let mut pause = Pause::default();
    loop {
        let opening = tokio::select! {
            () = station.stop.cancelled() => break,
            opened = open(station, &worker) => opened,
        };
        let mut stream = match opening {
            Ok(stream) => stream,
            Err(status) if status.code() == Code::NotFound => return Ok(Parting::Renewed),
            Err(status) => {
                let error = station.client.failed("it lets nobody listen", &status);
                if matches!(error, Error::Refused { .. }) {
                    return Err(error);
                }
                tracing::warn!(%error, "the stream of Hatchet's tasks cannot be opened");
                tokio::select! {
                    () = station.stop.cancelled() => break,
                    () = &mut forgotten => return Ok(Parting::Renewed),
                    () = tokio::time::sleep(pause.next()) => continue,
                }
            }
        };
        loop {
            tokio::select! {
                () = station.stop.cancelled() => {
                    unsubscribe(station, &worker).await;
                    // The engine waits for what is in hand for as long as it hears from us.
                    station.tasks.close();
                    tokio::select! {
                        () = station.tasks.wait() => {}
                        () = &mut forgotten => station.tasks.wait().await,
                    }
                    return Ok(Parting::Stopped);
                }
                () = &mut forgotten => return Ok(Parting::Renewed),
                () = &mut changed => {
                    unsubscribe(station, &worker).await;
                    return Ok(Parting::Renewed);
                }
                message = stream.message() => match message {
                    Ok(Some(action)) => {
                        pause = Pause::default();
                        station.take(&worker, action);
                    }
                    Ok(None) => {
                        tracing::warn!("Hatchet ended the stream of its tasks");
                        break;
                    }
                    Err(status) => {
                        tracing::warn!(error = %station.client.failed("it broke off", &status), "the stream of Hatchet's tasks ended");
                        break;
                    }
                },
            }
        }
        tokio::select! {
            () = station.stop.cancelled() => break,
            () = tokio::time::sleep(pause.next()) => {}
        }
    }
    // Stopped while there was no stream: nothing can be handed out, and the rest is waited for by the host.
    unsubscribe(station, &worker).await;
    Ok(Parting::Stopped)
}

async fn register(station: &Station, actions: &[String]) -> Result<String, Error> {
    let slots = i32::try_from(station.serving.concurrency).unwrap_or(i32::MAX);
    let request = WorkerRegisterRequest {
        worker_name: station.serving.name.clone(),
        actions: actions.to_vec(),
        services: vec!["default".to_owned()],
        slots: Some(slots),
        slot_config: HashMap::from([("default".to_owned(), slots)]),
        runtime_info: Some(RuntimeInfo {
            sdk_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            language: Some(Sdks::Unknown.into()),
            os: Some(std::env::consts::OS.to_owned()),
            extra: Some("flotilla".to_owned()),
            ..RuntimeInfo::default()
        }),
        ..WorkerRegisterRequest::default()
    };
    let registered = station.client.dispatcher().register(asking(request)).await;
    let registered = registered.map_err(|status| station.client.failed("it registers no worker", &status))?;
    Ok(registered.into_inner().worker_id)
}

async fn open(station: &Station, worker: &str) -> Result<Streaming<AssignedAction>, tonic::Status> {
    let request = Request::new(WorkerListenRequest { worker_id: worker.to_owned() });
    Ok(station.client.dispatcher().listen_v2(request).await?.into_inner())
}

/// Ends when the engine does not know the worker any more. Heartbeats that fail otherwise are repeated.
async fn keep_alive(station: &Station, worker: &str) {
    let mut timer = tokio::time::interval(HEARTBEAT);
    let mut failures = 0_u32;
    loop {
        timer.tick().await;
        let heartbeat = HeartbeatRequest { worker_id: worker.to_owned(), heartbeat_at: Some(SystemTime::now().into()) };
        match station.client.dispatcher().heartbeat(asking(heartbeat)).await {
            Ok(_) => failures = 0,
            Err(status) if status.code() == Code::NotFound => {
                tracing::warn!(worker.id = worker, "Hatchet does not know this worker any more");
                return;
            }
            Err(status) => {
                failures += 1;
                tracing::warn!(failures, error = %station.client.failed("it hears no heartbeat", &status), "a heartbeat failed");
            }
        }
    }
}

/// Ends when there are other tasks to listen for than these.
async fn change(station: &Station, actions: &[String]) {
    let mut timer = tokio::time::interval(LOOK);
    loop {
        timer.tick().await;
        match station.actions().await {
            Ok(now) if now != actions => return,
            Ok(_) => {}
            Err(away) => tracing::debug!(error = %away, "nobody says what to listen for"),
        }
    }
}

async fn unsubscribe(station: &Station, worker: &str) {
    let request = asking(WorkerUnsubscribeRequest { worker_id: worker.to_owned() });
    if let Err(status) = station.client.dispatcher().unsubscribe(request).await {
        tracing::debug!(error = %status, "Hatchet was not told that this worker stops");
    }
}
