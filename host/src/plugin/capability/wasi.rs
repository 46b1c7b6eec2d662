//! WASI, as far as a plugin sees it: clocks, random numbers, and a stderr that is the log. There are no files, no
//! sockets, no arguments and no environment behind the other interfaces that toolchains link.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::super::bindings::provider::weir::plugin::log::Level;
use super::Capabilities;

/// The WASI context of one instance.
pub(super) fn context(capabilities: Capabilities) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    // Panics and prints of a guest end up here.
    builder.stdout(LogStream(capabilities.clone())).stderr(LogStream(capabilities));
    builder.build()
}

/// Turns what a guest prints into log lines, within the same budget as the capability `log`.
#[derive(Clone)]
struct LogStream(Capabilities);

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
            self.0.write(Level::Warn, line);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
