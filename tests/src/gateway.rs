//! The real binary as a process of its own: started with a configuration, read by its log, ended by a signal.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{ADMIN_KEY, Client, Config, KEY, Metrics, Raw, bounded};

/// How long a gateway that is dropped may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_millis(500);

/// The line that the harness itself adds to the log when the process has ended.
const ENDED: &str = "the process ended";

/// A running gateway. Dropping it ends the process.
pub struct Gateway {
    address: SocketAddr,
    pid: Pid,
    log: Log,
    exit: Exit,
    folder: TempDir,
}

impl Gateway {
    /// Starts the binary with this configuration and waits until it listens. Fails with all that it printed if it
    /// does not.
    pub async fn start(config: &Config) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same with variables in its environment, which is empty otherwise.
    pub async fn start_with(config: &Config, environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let file = config.write(folder.path());
        let mut command = weir(environment);
        command.arg("serve").arg("--config").arg(file).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", binary().display()));
        let log = Log::default();
        log.follow(child.stdout.take().expect("stdout is piped"));
        log.follow(child.stderr.take().expect("stderr is piped"));
        let pid = Pid::from_child(&child);
        let exit = Exit::default();
        let (reported, ended) = (exit.clone(), log.clone());
        std::thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            reported.report(status);
            ended.append(json!({ "message": ENDED, "status": status.to_string() }).to_string());
        });
        let first = |line: &Value| line["message"] == "listening" || line["message"] == ENDED;
        let line = log.wait_for("the address that it listens on", first).await;
        let address = line["address"].as_str().and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the gateway did not start:\n{}", log.text()));
        Self { address, pid, log, exit, folder }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client with the ordinary key.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address).with_key(KEY)
    }

    /// A client with the administrator's key.
    #[must_use]
    pub fn admin(&self) -> Client {
        Client::new(self.address).with_key(ADMIN_KEY)
    }

    /// A client without a key.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    /// A client without a key on the listener for the administration, if it has one of its own.
    pub async fn administration(&self) -> Client {
        let is_other = |line: &Value| line["message"] == "listening for administration";
        let line = self.log.wait_for("the listener for the administration", is_other).await;
        let address = line["address"].as_str().and_then(|address| address.parse().ok());
        Client::new(address.expect("the log has an address"))
    }

    /// A bare TCP connection.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// What it printed.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The file that it was started with.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("weir.yaml")
    }

    /// Replaces its configuration file in one step.
    pub fn replace_config(&self, text: &str) {
        replace(&self.config_file(), text.as_bytes());
    }

    /// Its metrics at this moment.
    pub async fn metrics(&self) -> Metrics {
        let answer = self.admin().get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Metrics::parse(&answer.text())
    }

    /// What it says of its plugins.
    pub async fn plugins(&self) -> Value {
        let answer = self.admin().get("/plugins").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// What it says of one plugin.
    pub async fn plugin(&self, name: &str) -> Value {
        let all = self.plugins().await;
        let list = all["data"].as_array().cloned().unwrap_or_default();
        let found = list.into_iter().find(|plugin| plugin["name"] == name);
        found.unwrap_or_else(|| panic!("GET /plugins does not list `{name}`: {all}"))
    }

    /// Its resident memory, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid.as_raw_nonzero());
        let status = std::fs::read_to_string(path);
        let status = status.unwrap_or_else(|_| panic!("the gateway is gone:\n{}", self.log.text()));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel reports it");
        let kibibytes = line.split_whitespace().next().and_then(|value| value.parse::<u64>().ok());
        kibibytes.expect("it is a number") * 1024
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the gateway runs");
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.exit.status().is_none()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&self) -> ExitStatus {
        let exit = self.exit.clone();
        let waiting = tokio::task::spawn_blocking(move || exit.wait(crate::PATIENCE));
        let status = waiting.await.expect("the waiting thread does not panic");
        status.unwrap_or_else(|| panic!("the gateway did not end:\n{}", self.log.text()))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.exit.status().is_none() {
            let _ = kill_process(self.pid, Signal::TERM);
            if self.exit.wait(GRACE).is_none() {
                let _ = kill_process(self.pid, Signal::KILL);
                let _ = self.exit.wait(crate::PATIENCE);
            }
        }
        if std::thread::panicking() {
            eprintln!("the gateway printed:\n{}", self.log.text());
        }
    }
}

/// How a process ended, once it has.
#[derive(Clone, Default)]
struct Exit(Arc<(Mutex<Option<ExitStatus>>, Condvar)>);

impl Exit {
    fn report(&self, status: ExitStatus) {
        *self.0.0.lock().expect("nobody panics with the lock") = Some(status);
        self.0.1.notify_all();
    }

    fn status(&self) -> Option<ExitStatus> {
        *self.0.0.lock().expect("nobody panics with the lock")
    }

    fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let status = self.0.0.lock().expect("nobody panics with the lock");
        *self.0.1.wait_timeout_while(status, limit, |status| status.is_none()).expect("nobody panics with the lock").0
    }
}

/// Everything that a gateway printed, on both streams, line by line. Clones are the same log.
#[derive(Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Log {
    /// The text so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.lock().expect("nobody panics with the lock").join("\n")
    }

    /// The lines so far that are JSON.
    #[must_use]
    pub fn entries(&self) -> Vec<Value> {
        let lines = self.lines.lock().expect("nobody panics with the lock");
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a JSON line, old or new, that meets the condition.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait_until(what, |entries| entries.into_iter().find(|entry| condition(entry))).await
    }

    /// Waits until the JSON lines so far have what is looked for: the log is written behind what it tells of.
    pub async fn wait_until<T>(&self, what: &str, look: impl Fn(Vec<Value>) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                count.borrow_and_update();
                if let Some(found) = look(self.entries()) {
                    return found;
                }
                count.changed().await.expect("the log is open");
            }
        };
        match tokio::time::timeout(crate::PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => panic!("the log never showed {what}:\n{}", self.text()),
        }
    }

    fn follow(&self, source: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                log.append(line);
            }
        });
    }

    fn append(&self, line: String) {
        self.lines.lock().expect("nobody panics with the lock").push(line);
        self.count.send_modify(|count| *count += 1);
    }
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Both streams, stdout first.
    pub output: String,
}

/// Runs the binary with these arguments to its end.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = tokio::process::Command::from(weir(environment));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = bounded(&format!("the end of `weir {}`", arguments.join(" ")), command.output()).await;
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", binary().display()));
    let text = [output.stdout, output.stderr].map(|stream| String::from_utf8_lossy(&stream).into_owned()).concat();
    Finished { code: output.status.code(), output: text }
}

/// Replaces a file in one step, as editors and deployments do.
pub fn replace(path: &Path, content: &[u8]) {
    let aside = path.with_extension("aside");
    std::fs::write(&aside, content).expect("the folder of a test can be written to");
    std::fs::rename(&aside, path).expect("the folder of a test can be written to");
}

fn weir(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    // An empty environment: no key of the machine's owner reaches a test.
    command.env_clear().envs(environment.iter().copied());
    command
}

fn binary() -> PathBuf {
    let binary =
        std::env::var_os("WEIR_BIN").map_or_else(|| crate::guests::target().join("release/weir"), PathBuf::from);
    assert!(
        binary.is_file(),
        "{} is not there: build it with `cargo build --release -p weir`, or name another one in WEIR_BIN",
        binary.display()
    );
    binary
}
