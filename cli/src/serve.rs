//! `flotilla serve`: the embedded system, kept running on one port.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dispatcher::access::Auth;
use dispatcher::api::Api;
use dispatcher::imports::Imports;
use dispatcher::prices::Prices;
use dispatcher::triggers::Store;
use service::Shutdown;
use service::monitoring::Metrics;
use service::tasks::OnFailure;
use tokio::net::TcpListener;

use crate::args::Serve;
use crate::embedded::Embedded;
use crate::run;

/// How long running tasks may take to finish after the order to stop.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn main(command: Serve) -> ExitCode {
    if let Err(error) = command.engine.check() {
        return run::refuse(&error);
    }
    let imports = match command.compat.imports() {
        Ok(imports) => imports,
        Err(error) => return run::refuse(&error.into()),
    };
    let served = Shutdown::signals().map_err(anyhow::Error::from).and_then(|shutdown| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(command, imports, shutdown))
    });
    match served {
        // A server that is asked to stop has done its work.
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => run::fail(&error),
    }
}

async fn serve(command: Serve, imports: Imports, shutdown: Shutdown) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(command.listen).await.with_context(|| format!("cannot listen on {}", command.listen))?;
    let metrics = Metrics::install()?;
    let (traces, exporter) = command.tracing.start("flotilla", &format!("embedded-{}", std::process::id()))?;
    let embedded =
        Embedded::start(&command.state, &command.gate.master_key, &command.engine, &shutdown, GRACE, traces).await?;
    let incoming = command.state.join("incoming");
    let desk = embedded.desk.clone().with_incoming(incoming.clone());
    let usual = if command.listen.ip().is_loopback() { Auth::Off } else { Auth::Keys };
    let access = command.gate.open(embedded.ledger.clone(), embedded.coordination.clone(), usual).await?;
    let prices = command.prices.as_deref().map(Prices::load).transpose()?.unwrap_or_default();
    let api = Api {
        prices: Arc::new(prices),
        fleet: embedded.fleet.clone(),
        desk: desk.with_context(|| format!("{} cannot be used", incoming.display()))?,
        objects: embedded.objects.clone(),
        access,
        adapters: embedded.adapters.clone(),
        retention: None,
        front: command.front,
        imports,
        subscriptions: Store::new(embedded.ledger.clone()),
        metrics: metrics.clone(),
        max_upload: command.max_upload as usize * 1024 * 1024,
        webhooks: embedded.webhooks.clone(),
        way_out: outbound::Client::new(command.engine.outbound.policy()),
        compat: command.compat.settings(),
    };
    let address = listener.local_addr()?;
    let scheme = if api.front.tls_cert.is_some() { "https" } else { "http" };
    run::say(&format!(
        "Flotilla listens on {scheme}://{address} (state in {}). Try:\n  curl -F file=@examples/invoice.pdf {scheme}://{address}/api/v1/runs",
        command.state.display()
    ));
    let token = shutdown.token().clone();
    embedded.tasks.spawn("metrics", OnFailure::Stop, {
        let stop = token.clone();
        async move {
            metrics.keep(stop).await;
            Ok(())
        }
    });
    embedded.tasks.spawn("http", OnFailure::Stop, async move { Ok(api.serve(listener, token).await?) });
    // A little more than the workers' own grace, so that they can hand back what they could not finish.
    let ended = embedded.tasks.join(GRACE + Duration::from_secs(5)).await;
    exporter.close().await;
    Ok(ended?)
}
