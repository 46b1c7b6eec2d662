//! `weir serve`: from the configuration to the drained server.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::{headroom, memory};
use weir::api::{Api, Listener};
use weir::config::{self, Config, Source, Watcher};
use weir::pipeline::Gateway;
use weir::server::{self, Options, Tls, Workers};
use weir::telemetry::{self, Metrics};

/// How long operators' requests may go on when those of clients have ended.
const ADMINISTRATION_DRAIN: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, then drains.
pub(crate) fn run(source: Source) -> anyhow::Result<()> {
    let config = config::load(&source)?;
    let log = telemetry::start_log(&config.log);
    // What serves has threads of its own: this one accepts, reloads and asks for models.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let served = runtime.block_on(serve(source, config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    log.flush();
    served
}

async fn serve(source: Source, config: Config) -> anyhow::Result<()> {
    // Before anything that takes time: until somebody listens for it, SIGHUP ends the process.
    let hangup = signal(SignalKind::hangup())?;
    // Everything that can fail at the start fails before the first connection is taken.
    let tls = tls(&config)?;
    let listener = listen(config.listen)?;
    let admin_listener = config.admin_listen.map(listen).transpose()?;
    let watcher = Watcher::start(config.files())?;
    let options = options(&config, tls.clone(), Workers::start()?);
    let gateway = Gateway::start(source, config, Metrics::new()).await?;

    memory::give_back();

    let stop = stop_signal()?;
    announce(&listener, "listening", tls.is_some())?;
    greet(&gateway, &listener, tls.is_some())?;
    headroom::watch(&gateway);
    let api = Api::new(Arc::clone(&gateway), Listener::Public);
    let (end, ended) = watch::channel(false);
    let admin = match admin_listener {
        None => None,
        Some(listener) => {
            announce(&listener, "listening for administration", false)?;
            let api = api.beside(Listener::Administration);
            let counted = Some(gateway.metrics().connections("administration"));
            let options = Options { tls: None, counted, drain: ADMINISTRATION_DRAIN, ..options.clone() };
            Some(tokio::spawn(server::serve(listener, options, api, stopped(ended))))
        }
    };
    tokio::spawn(keep_reloading(Arc::clone(&gateway), watcher, hangup, tls));
    let options = Options { counted: Some(gateway.metrics().connections("public")), ..options };
    let drained = server::serve(listener, options, api, draining(gateway, stop)).await;
    // Whoever looks on can do so to the end.
    let _ = end.send(true);
    if let Some(admin) = admin {
        admin.await?;
    }
    match drained.aborted {
        0 => tracing::info!("stopped: all requests in flight were answered"),
        aborted => tracing::warn!(aborted, "stopped: requests in flight were cut off"),
    }
    Ok(())
}

/// The certificate of the configuration, if it has one.
pub(crate) fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let Some(files) = &config.tls else { return Ok(None) };
    // Its text says all that is behind it.
    let tls = Tls::load(&files.cert, &files.key).map_err(|error| anyhow!("{}: {error}", files.place))?;
    Ok(Some(tls))
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    server::listen(address).with_context(|| format!("cannot listen on {address}"))
}

fn options(config: &Config, tls: Option<Tls>, workers: Workers) -> Options {
    let (limits, timeouts) = (&config.limits, &config.client_timeouts);
    Options {
        workers,
        counted: None,
        tls,
        header_bytes: limits.header_bytes,
        headers: limits.headers,
        connections: limits.connections,
        streams: u32::try_from(limits.streams_per_connection).unwrap_or(u32::MAX),
        header_timeout: timeouts.header,
        handshake_timeout: timeouts.header,
        body_timeout: timeouts.body,
        keep_alive: timeouts.keep_alive,
        write_timeout: timeouts.write,
        drain: timeouts.drain,
    }
}

/// Tells where it listens, in the log.
fn announce(listener: &TcpListener, message: &'static str, has_tls: bool) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(address = %address, tls = has_tls, "{message}");
    Ok(())
}

/// Tells a person at a terminal what to try. The log is for machines.
fn greet(gateway: &Gateway, listener: &TcpListener, has_tls: bool) -> anyhow::Result<()> {
    let snapshot = gateway.snapshot();
    // Without a file somebody is trying Weir out; with one, a text among the lines of the log is in the way.
    if snapshot.config().file.is_some() && !std::io::stderr().is_terminal() {
        return Ok(());
    }
    let (address, scheme) = (listener.local_addr()?, if has_tls { "https" } else { "http" });
    let model = snapshot.model_to_try().unwrap_or_else(|| "MODEL".to_owned());
    let key = if snapshot.config().keys.is_empty() { "" } else { " -H 'authorization: Bearer YOUR_KEY'" };
    eprintln!("\nWeir listens on {scheme}://{address}. Try:\n");
    eprintln!("  curl {scheme}://{address}/v1/chat/completions{key} -H 'content-type: application/json' \\");
    eprintln!("    -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n");
    Ok(())
}

/// Becomes true when the process is asked to stop.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        tracing::info!("stopping: waiting for requests in flight");
        let _ = sender.send(true);
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until the process is asked to stop, and has the gateway say so before anything is done about it.
async fn draining(gateway: Arc<Gateway>, stop: watch::Receiver<bool>) {
    stopped(stop).await;
    gateway.drain();
}

/// Reloads when a file has changed, and on SIGHUP.
async fn keep_reloading(gateway: Arc<Gateway>, watcher: Watcher, mut hangup: Signal, tls: Option<Tls>) {
    loop {
        tokio::select! { () = watcher.changed() => {} _ = hangup.recv() => {} }
        gateway.reload().await;
        memory::give_back();
        let snapshot = gateway.snapshot();
        let config = snapshot.config();
        if let (Some(tls), Some(files)) = (&tls, &config.tls)
            && let Err(error) = tls.replace(&files.cert, &files.key)
        {
            tracing::error!(%error, "the certificate was not replaced");
        }
        watcher.watch(config.files());
    }
}
