//! The golden cases of a plugin, as far as they can be measured with: chats that are asked for, answered and streamed
//! as they should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use weir::plugin::Event;

/// The cases of one plugin, by name.
#[derive(Default)]
pub struct Golden {
    cases: BTreeMap<String, Case>,
}

/// What stands in the files of a case. See the golden tests of the SDK, which these files are for.
#[derive(Default)]
struct Case {
    options: Value,
    request: Option<String>,
    answer: Option<Value>,
    events: Option<Vec<Event>>,
}

impl Case {
    /// The case, if it is a chat with nothing special about it.
    fn plain(&self) -> Option<&Self> {
        let option = |name| self.options.get(name);
        let is_plain = option("operation").is_none_or(|operation| operation == "chat")
            && option("status").is_none_or(|status| status == 200)
            && option("resume").is_none();
        is_plain.then_some(self)
    }
}

impl Golden {
    /// Reads all cases of a folder and of those in it.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut golden = Self::default();
        golden.add(folder, "").with_context(|| format!("cannot read {}", folder.display()))?;
        Ok(golden)
    }

    /// The settings that cases are run with.
    pub fn settings(&self) -> impl Iterator<Item = &Value> {
        self.cases.values().filter_map(|case| case.options.get("settings"))
    }

    /// The models that chats are asked of, those of the shortest requests first: these ask for nothing special.
    pub fn models(&self) -> Vec<String> {
        let requests = self.cases.values().filter_map(|case| case.plain()?.request.as_deref());
        let mut requests: Vec<&str> = requests.collect();
        requests.sort_by_key(|request| request.len());
        let model =
            |request: &str| Some(serde_json::from_str::<Value>(request).ok()?.get("model")?.as_str()?.to_owned());
        let mut models: Vec<String> = requests.into_iter().filter_map(model).collect();
        models.dedup();
        models
    }

    /// The upstream's answers, by case.
    pub fn answers(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.cases.iter().filter_map(|(name, case)| Some((name.as_str(), case.plain()?.answer.as_ref()?)))
    }

    /// The upstream's streams, by case.
    pub fn streams(&self) -> impl Iterator<Item = (&str, &[Event])> {
        self.cases.iter().filter_map(|(name, case)| Some((name.as_str(), case.plain()?.events.as_deref()?)))
    }

    fn add(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let file = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
            if path.is_dir() {
                self.add(&path, &format!("{file}/"))?;
                continue;
            }
            let suffixes = [".case.json", ".answer.json", ".json", ".sse", ".ndjson"];
            let Some(suffix) = suffixes.iter().find(|suffix| file.ends_with(**suffix)) else { continue };
            let text = fs::read_to_string(&path)?;
            let case = self.cases.entry(file.trim_end_matches(suffix).to_owned()).or_default();
            match *suffix {
                ".case.json" => case.options = serde_json::from_str(&text)?,
                ".answer.json" => case.answer = serde_json::from_str(&text).ok(),
                ".json" => case.request = Some(text),
                ".sse" => case.events = Some(server_sent_events(&text)),
                _ => case.events = Some(lines(&text)),
            }
        }
        Ok(())
    }
}

/// The events of a stream that is written as all are: one blank line behind each.
fn server_sent_events(text: &str) -> Vec<Event> {
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name).map(str::trim_start));
        Some(Event { name: field("event:").unwrap_or_default().to_owned(), data: field("data:")?.to_owned() })
    };
    text.replace("\r\n", "\n").split("\n\n").filter_map(event).collect()
}

fn lines(text: &str) -> Vec<Event> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| Event { name: String::new(), data: line.to_owned() }).collect()
}
