//! The processes under measurement: started, read by `/proc`, and ended with this one.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::load::{Seen, Task};

/// How long a process may take to say where it listens. The first start of the gateway compiles its plugins.
const START: Duration = Duration::from_secs(120);

/// A server under measurement. Dropping it ends the process.
pub struct Process {
    child: Child,
    pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How much memory a process has, in MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident: what the kernel holds for it, shared pages counted in full.
    pub resident: f64,
    /// The same with shared pages divided among those who share them.
    pub proportional: f64,
}

impl Process {
    /// Starts a server and waits for the line in which it says where it listens.
    pub async fn start(mut command: Command, address_in: fn(&str) -> Option<SocketAddr>) -> Result<Self> {
        let shown = format!("{:?}", command.as_std().get_program());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {shown}"))?;
        let pid = child.id().context("the process ended at once")?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let address = tokio::time::timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = address_in(&line) {
                    return Ok(address);
                }
            }
            bail!("{shown} ended before it listened")
        });
        let address = address.await.with_context(|| format!("{shown} does not listen"))??;
        // A log that nobody reads would stop the process once the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, pid, address })
    }

    /// The processor time it has used so far, user and system. The kernel counts it in hundredths of a second.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).context("the process is gone")?;
        // The fields are counted from behind the name, which may hold anything but is closed by the last `)`.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("the kernel's form of stat is unknown")?;
        // USER_HZ is 100 on every Linux that Weir runs on.
        Ok(Duration::from_millis((user + system) * 10))
    }

    /// Its memory at this moment.
    pub fn memory(&self) -> Result<Memory> {
        Ok(Memory {
            resident: self.mebibytes("status", "VmRSS:")?,
            proportional: self.mebibytes("smaps_rollup", "Pss:")?,
        })
    }

    /// Its highest resident memory so far, in MiB.
    pub fn peak(&self) -> Result<f64> {
        self.mebibytes("status", "VmHWM:")
    }

    /// What it answers to a GET.
    pub async fn get(&self, path: &str) -> Result<String> {
        let socket = tokio::net::TcpStream::connect(self.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let request = hyper::Request::get(path).header("host", self.address.to_string()).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            bail!("GET {path}: {}", response.status());
        }
        Ok(String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned())
    }

    /// Ends it.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    fn mebibytes(&self, file: &str, name: &str) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid)).context("the process is gone")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        let kibibytes: f64 = line.split_whitespace().next().unwrap_or_default().parse()?;
        Ok(kibibytes / 1024.0)
    }
}

/// Runs the load generator in a process of its own.
pub async fn load(task: &Task) -> Result<Seen> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("load").arg(serde_json::to_string(task)?).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.stderr(Stdio::inherit()).output().await.context("cannot start the load generator")?;
    serde_json::from_slice(&output.stdout).context("the load generator failed")
}
