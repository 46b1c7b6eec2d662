//! One case: its files, and what the plugin makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::mutants::Dice;
use super::show::Outcome;
use super::{Snapshot, framing, mistreat, rules, show};
use crate::openai::ChatRequest;
use crate::{Call, DecoderCell, Encoded, Event, Header, Operation, Position, Provider, ResponseHead};

/// What `<case>.case.json` may say. Everything has a default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The provider's `settings`. None by default.
    settings: Option<Value>,
    /// `chat` (the default), or another operation by its name in the contract.
    operation: Option<String>,
    /// The upstream's name of the model, if it is not that of the client's document.
    model: Option<String>,
    /// Whether the client asked for usage, if its document is not there to say so.
    include_usage: Option<bool>,
    /// The client's headers that reach the plugin.
    headers: BTreeMap<String, String>,
    /// The status of the upstream's answer. 200 by default.
    status: Option<u16>,
    /// The headers of the upstream's answer.
    answer_headers: BTreeMap<String, String>,
    /// The stream begins after chunks that the host relayed by itself.
    resume: Option<Resume>,
}

/// When a decoder that can be parked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parked {
    Never,
    /// Before every batch, and before the end.
    Always,
}

#[derive(Debug, Deserialize)]
struct Resume {
    id: String,
    created: u64,
    model: String,
}

/// A case as it stands in its files: see the table of the [module](super).
#[derive(Debug)]
pub(super) struct Case {
    name: String,
    options: Options,
    document: Option<String>,
    answer: Option<String>,
    events: Option<Vec<Event>>,
}

/// The names of the cases that these files make.
pub(super) fn names(files: &BTreeSet<String>) -> BTreeSet<&str> {
    const SUFFIXES: [&str; 6] = [".case.json", ".answer.json", ".answer.txt", ".json", ".sse", ".ndjson"];
    files.iter().filter_map(|file| SUFFIXES.iter().find_map(|suffix| file.strip_suffix(suffix))).collect()
}

impl Case {
    /// Reads the files of the case `name`.
    pub(super) fn load(folder: &Path, files: &BTreeSet<String>, name: &str) -> Result<Self, String> {
        let read = |suffix: &str| {
            let file = format!("{name}.{suffix}");
            let read = || fs::read_to_string(folder.join(&file)).map_err(|error| format!("{file}: {error}"));
            files.contains(&file).then(read).transpose()
        };
        let options = match read("case.json")? {
            Some(text) => serde_json::from_str(&text).map_err(|error| format!("{name}.case.json: {error}"))?,
            None => Options::default(),
        };
        let answer = read("answer.json")?.or(read("answer.txt")?);
        let events = match read("sse")? {
            Some(text) => Some(framing::server_sent_events(&text)),
            None => read("ndjson")?.map(|text| framing::lines(&text)),
        };
        Ok(Self { name: name.to_owned(), options, document: read("json")?, answer, events })
    }

    /// Runs all that the case has files for.
    pub(super) fn run<P: Provider>(&self) -> Result<Vec<Snapshot>, String> {
        let settings = self.options.settings.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let settings = serde_json::from_value(settings).map_err(|error| format!("the settings do not fit: {error}"))?;
        let provider = P::new(settings).map_err(|failure| show::failure(&failure))?;
        let call = self.call()?;
        let mut dice = Dice::new(&self.name);
        let mut snapshots = Vec::new();
        let mut carry = None;
        if self.document.is_some() || call.operation == Operation::Models {
            let encoded = provider.encode(&call, self.document.as_deref().unwrap_or_default());
            if let Ok(Encoded::Send(request)) = &encoded {
                carry.clone_from(&request.carry);
            }
            rules::encoded(call.operation, &encoded)?;
            snapshots.push(("upstream", show::encoded(&encoded)));
            mistreat::encode(&provider, &call, self.document.as_deref().unwrap_or_default(), &mut dice)?;
        }
        if let Some(body) = &self.answer {
            let answer = provider.decode(&call, carry.as_deref(), &self.head(), body);
            rules::answer(call.operation, answer.as_deref())?;
            snapshots.push(("answer", show::answer(&answer)));
            mistreat::decode(&provider, &call, carry.as_deref(), &self.head(), body, &mut dice)?;
        }
        if let Some(events) = &self.events {
            let run = |batches, parked| self.stream(&provider, &call, carry.as_deref(), batches, parked);
            let single = || events.iter().map(|event| vec![event.clone()]).collect();
            let outcome = run(single(), Parked::Never);
            same(&outcome, &run(vec![events.clone()], Parked::Never), "events in one batch give other chunks")?;
            same(&outcome, &run(single(), Parked::Always), "a decoder that is parked gives other chunks")?;
            rules::chunks(call.operation, &outcome.chunks, self.options.resume.is_some())?;
            snapshots.push(("chunks", outcome.to_string()));
            mistreat::stream(call.operation, self.options.resume.is_some(), events, &mut dice, run)?;
        }
        Ok(snapshots)
    }

    fn call(&self) -> Result<Call, String> {
        let document = self.document.as_deref().unwrap_or("{}");
        let request: ChatRequest = serde_json::from_str(document).unwrap_or_default();
        let operation = operation(self.options.operation.as_deref())?;
        let asked = request.stream_options.and_then(|options| options.include_usage);
        Ok(Call {
            operation,
            model: self.options.model.clone().or(request.model.map(|model| model.into_string())).unwrap_or_default(),
            stream: request.stream.unwrap_or(self.events.is_some()),
            include_usage: self.options.include_usage.or(asked).unwrap_or(false),
            request_id: "golden".to_owned(),
            headers: headers(&self.options.headers),
        })
    }

    fn head(&self) -> ResponseHead {
        ResponseHead { status: self.options.status.unwrap_or(200), headers: headers(&self.options.answer_headers) }
    }

    fn stream<P: Provider>(
        &self,
        provider: &P,
        call: &Call,
        carry: Option<&str>,
        batches: Vec<Vec<Event>>,
        parked: Parked,
    ) -> Outcome {
        let resume = self.options.resume.as_ref().map(|resume| Position {
            id: resume.id.clone(),
            created: resume.created,
            model: resume.model.clone(),
        });
        let decoder = provider.stream(call.clone(), carry.map(str::to_owned), self.head(), resume);
        let mut decoder = DecoderCell::new(Ok(decoder));
        let mut outcome = Outcome::default();
        let park = |decoder: DecoderCell<P::Decoder>| match decoder.park() {
            Some(state) if parked == Parked::Always => DecoderCell::new(provider.unpark(&state)),
            _ => decoder,
        };
        for batch in batches {
            decoder = park(decoder);
            match decoder.push(batch) {
                Ok(progress) => {
                    outcome.chunks.extend(progress.chunks);
                    outcome.ended = progress.ended;
                }
                Err(failure) => return outcome.failed(failure),
            }
            if outcome.ended {
                return outcome;
            }
        }
        match park(decoder).finish() {
            Ok(chunks) => outcome.chunks.extend(chunks),
            Err(failure) => return outcome.failed(failure),
        }
        outcome
    }
}

/// Nothing, if two runs of a stream came to the same; else what is wrong, and where.
fn same(outcome: &Outcome, other: &Outcome, problem: &str) -> Result<(), String> {
    let (outcome, other) = (outcome.to_string(), other.to_string());
    if outcome == other { Ok(()) } else { Err(format!("{problem}:\n{}", show::difference(&outcome, &other))) }
}

fn headers(headers: &BTreeMap<String, String>) -> Vec<Header> {
    headers.iter().map(|(name, value)| Header { name: name.clone(), value: value.clone() }).collect()
}

/// An operation by its name in the contract, `chat` if there is none.
pub(super) fn operation(name: Option<&str>) -> Result<Operation, String> {
    Ok(match name {
        None | Some("chat") => Operation::Chat,
        Some("models") => Operation::Models,
        Some("embeddings") => Operation::Embeddings,
        Some("completions") => Operation::Completions,
        Some("responses") => Operation::Responses,
        Some("messages") => Operation::Messages,
        Some("count-tokens") => Operation::CountTokens,
        Some(other) => return Err(format!("there is no operation {other}")),
    })
}
