//! The measurements, interleaved: each round asks each subject in turn, in another order than the round before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::{Seen, Task};
use crate::options::Options;
use crate::processes::{Process, load};
use crate::report::{Metric, Report};
use crate::subjects::{Subject, Subjects, start_weir};
use crate::upstream::CHUNKS;

const CONNECTIONS: usize = 64;
const STREAMS: usize = 32;
/// Requests a second while latency is measured: low enough that none waits for another.
const LOW_RATE: f64 = 200.0;

/// Measures the gateway beside the bare proxy.
pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    raise_open_files()?;
    measure_start(options, report).await?;
    let subjects = Subjects::start(options).await?;
    for subject in Subject::PROXIES {
        eprintln!("bench: warming up {}", subject.name());
        unary(&subjects, subject, options.requests / 10).await?;
        streams(&subjects, subject, "fast", 2).await?;
    }
    for round in 0..options.rounds {
        eprintln!("bench: round {} of {}", round + 1, options.rounds);
        for subject in in_turn(&Subject::PROXIES, round) {
            measure_requests(&subjects, subject, options, report).await?;
            measure_chunks(&subjects, subject, options, report).await?;
        }
        measure_latency(&subjects, options, round, report).await?;
    }
    for subject in [Subject::Floor, Subject::Weir] {
        let process = subjects.process(subject);
        report.add(Metric::RESIDENT_LOADED, subject, process.memory()?.resident);
        report.add(Metric::RESIDENT_PEAK, subject, process.peak()?);
    }
    for (labels, microseconds) in plugin_calls(&subjects.weir).await? {
        report.add_call(labels, microseconds);
    }
    measure_open_streams(&subjects, options, report).await
}

/// The subjects, starting with another one each round.
fn in_turn(subjects: &[Subject], round: usize) -> Vec<Subject> {
    let mut subjects = subjects.to_vec();
    let first = round % subjects.len();
    subjects.rotate_left(first);
    subjects
}

async fn unary(subjects: &Subjects, subject: Subject, requests: usize) -> Result<Seen> {
    let address = subjects.process(subject).address;
    let task = Task::unary(address, &subject.model("fast"), CONNECTIONS, requests);
    load(&task).await?.without_errors(subject.name())
}

async fn streams(subjects: &Subjects, subject: Subject, model: &str, repeats: usize) -> Result<Seen> {
    let address = subjects.process(subject).address;
    let task = Task::unary(address, &subject.model(model), STREAMS, STREAMS * repeats).streamed(CHUNKS);
    load(&task).await?.without_errors(subject.name())
}

async fn measure_requests(subjects: &Subjects, subject: Subject, options: &Options, report: &mut Report) -> Result<()> {
    let process = subjects.process(subject);
    let before = process.processor_time()?;
    let seen = unary(subjects, subject, options.requests).await?;
    let used = (process.processor_time()? - before).as_secs_f64();
    report.add(Metric::CPU_PER_REQUESTS, subject, used * 10_000.0 / seen.answers as f64);
    report.add(Metric::THROUGHPUT, subject, seen.answers as f64 / seen.seconds);
    Ok(())
}

/// Chunks as fast as they go, where a proxy may find several at once, and at a pace at which each comes by itself.
async fn measure_chunks(subjects: &Subjects, subject: Subject, options: &Options, report: &mut Report) -> Result<()> {
    let process = subjects.process(subject);
    let before = process.processor_time()?;
    let seen = streams(subjects, subject, "fast", options.repeats * 2).await?;
    let used = (process.processor_time()? - before).as_secs_f64();
    let chunks = (seen.answers * CHUNKS) as f64;
    report.add(Metric::CPU_PER_CHUNKS, subject, used * 1e6 / chunks);
    report.add(Metric::CHUNKS, subject, chunks / seen.seconds);

    let before = process.processor_time()?;
    let seen = streams(subjects, subject, &format!("paced-5ms-{CHUNKS}"), options.repeats / 4).await?;
    let used = (process.processor_time()? - before).as_secs_f64();
    report.add(Metric::CPU_PER_PACED_CHUNKS, subject, used * 1e6 / (seen.answers * CHUNKS) as f64);
    Ok(())
}

async fn measure_latency(subjects: &Subjects, options: &Options, round: usize, report: &mut Report) -> Result<()> {
    let requests = (LOW_RATE * options.latency_seconds) as usize;
    let mut seen = Vec::new();
    for subject in in_turn(&Subject::ALL, round) {
        let address = subjects.process(subject).address;
        let task = Task::unary(address, &subject.model("fast"), 4, requests).at_rate(LOW_RATE);
        seen.push((subject, load(&task).await?.without_errors(subject.name())?));
    }
    let direct = seen.iter().find(|(subject, _)| *subject == Subject::Direct).map(|(_, seen)| seen.clone());
    let direct = direct.context("the upstream itself is asked too")?;
    for (subject, seen) in seen {
        if subject == Subject::Direct {
            report.add(Metric::DIRECT_P50, subject, seen.p50_us);
        } else {
            report.add(Metric::ADDED_P50, subject, seen.p50_us - direct.p50_us);
            report.add(Metric::ADDED_P99, subject, seen.p99_us - direct.p99_us);
        }
    }
    Ok(())
}

/// From the start of the process to the end of its first good answer, with plugins that were compiled before; and
/// the memory that it then has when it rests.
async fn measure_start(options: &Options, report: &mut Report) -> Result<()> {
    eprintln!("bench: starting the gateway {} times", options.starts + 1);
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("upstream");
    let upstream = Process::start(command, |line| line.parse().ok()).await?;
    start_weir(options, upstream.address).await?.end().await?;
    for _ in 0..options.starts {
        let start = Instant::now();
        let weir = start_weir(options, upstream.address).await?;
        first_answer(&weir).await?;
        report.add(Metric::START, Subject::Weir, start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let memory = weir.memory()?;
        report.add(Metric::RESIDENT_IDLE, Subject::Weir, memory.resident);
        report.add(Metric::PROPORTIONAL_IDLE, Subject::Weir, memory.proportional);
        weir.end().await?;
    }
    Ok(())
}

/// One chat completion, asked from this process: starting a load generator would take longer than the answer.
async fn first_answer(weir: &Process) -> Result<()> {
    let task = Task::unary(weir.address, &Subject::OpenAi.model("fast"), 1, 1);
    crate::load::run(task).await?.without_errors("the first request").map(drop)
}

/// The mean of each kind of guest call, in microseconds, by the labels of the gateway's own metric.
async fn plugin_calls(weir: &Process) -> Result<Vec<(String, f64)>> {
    let text = weir.get("/metrics").await?;
    let values = |suffix: &str| {
        let name = format!("weir_plugin_call_seconds_{suffix}{{");
        let lines = text.lines().filter_map(move |line| line.strip_prefix(&name)?.split_once("} "));
        lines
            .filter_map(|(labels, value)| Some((labels.to_owned(), value.trim().parse::<f64>().ok()?)))
            .collect::<Vec<_>>()
    };
    let counts = values("count");
    let mut means = Vec::new();
    for (labels, sum) in values("sum") {
        let count = counts.iter().find(|(other, _)| *other == labels).map_or(0.0, |(_, count)| *count);
        if count > 0.0 {
            means.push((labels, sum / count * 1e6));
        }
    }
    Ok(means)
}

/// Thousands of streams at once, each with a few chunks a second: what they cost in memory, and that none fails.
async fn measure_open_streams(subjects: &Subjects, options: &Options, report: &mut Report) -> Result<()> {
    for subject in [Subject::Floor, Subject::Anthropic] {
        eprintln!("bench: holding {} streams open through {}", options.streams, subject.name());
        let process = subjects.process(subject);
        let task = Task::unary(process.address, &subject.model("paced-400ms-50"), options.streams, options.streams);
        let task = task.streamed(50);
        let before = process.processor_time()?;
        let work = load(&task);
        tokio::pin!(work);
        let mut highest: f64 = 0.0;
        let seen = loop {
            tokio::select! {
                seen = &mut work => break seen?,
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    highest = highest.max(process.memory()?.resident);
                }
            }
        };
        let used = (process.processor_time()? - before).as_secs_f64();
        if let Some(error) = &seen.first_error {
            eprintln!("bench: {} streams failed, the first with: {error}", seen.errors);
        }
        report.add(Metric::OPEN_ERRORS, subject, seen.errors as f64);
        report.add(Metric::OPEN_RESIDENT, subject, highest);
        report.add(Metric::OPEN_CPU, subject, used / seen.seconds);
    }
    Ok(())
}

/// Lets this process and those it starts have as many open files as the system allows.
fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot raise the limit of open files")
}
