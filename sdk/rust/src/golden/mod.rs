//! Golden-file tests of a plugin: data in, data out, run natively by `cargo test`.
//!
//! A plugin's `golden/` folder holds cases. For a provider ([`check`]), a case is a name and some of these files:
//!
//! | file | what it is |
//! |---|---|
//! | `<case>.json` | a client's document. What `encode` makes of it stands in `<case>.upstream.snap`. |
//! | `<case>.answer.json` (or `.answer.txt`) | an upstream's answer. What `decode` makes of it: `<case>.answer.snap`. |
//! | `<case>.sse` (or `.ndjson`) | an upstream's stream. What the decoder makes of it: `<case>.chunks.snap`. |
//! | `<case>.case.json` | what else there is to know, each with a default: `settings`, `operation` (`chat`), `model`, `include_usage`, `headers` (of the client), `status` (200), `answer_headers`, `resume` (`id`, `created`, `model`). |
//!
//! Streams run event by event, in one batch, and with a decoder that is parked between any two events if it can be;
//! all must give the same chunks. Every answer and every stream is held against the rules that clients rely on, so that a snapshot of something broken cannot be blessed.
//!
//! Every file is then made wrong in one place, many times over: cut off, without a field, with one twice, with nulls
//! and other types. Whatever comes of that has to keep the same rules, and nothing may panic.
//!
//! For a policy ([`check_policy`]), a case is one file, `<case>.json`, with `settings`, `targets`, `request` and
//! `candidates`; all of it and every field in it has a default. The plan stands in `<case>.plan.snap`, with how often
//! each target comes first if that is left to chance. What a figure can be that makes no sense is tried as well: the
//! plan must not be empty, must name candidates that there are, and must be the same for the same request.
//!
//! `WEIR_BLESS=1 cargo test` writes the snapshots. A snapshot that is missing, or that belongs to no case, fails.

mod case;
mod framing;
mod mistreat;
mod mutants;
mod plan;
mod rules;
mod show;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use self::case::Case;
use self::plan::PlanCase;
use crate::Provider;
use crate::routing::Policy;

thread_local! {
    static FROZEN: Cell<bool> = const { Cell::new(false) };
}

/// The time that [`crate::openai::now`] gives while golden tests run, in seconds since 1970.
pub(crate) fn frozen_time() -> Option<u64> {
    FROZEN.get().then_some(1_700_000_000)
}

/// Runs all cases of a provider in `folder`, which is relative to the crate of the test.
///
/// # Panics
/// If a result is not as its snapshot says, with the differences in the message.
pub fn check<P: Provider>(folder: &str) {
    verdict(folder, |golden, files| {
        golden.run(files, &case::names(files), |name| Case::load(&golden.folder, files, name)?.run::<P>())
    });
}

/// Runs all cases of a policy in `folder`, which is relative to the crate of the test.
///
/// # Panics
/// If a plan is not as its snapshot says, with the differences in the message.
pub fn check_policy<P: Policy>(folder: &str) {
    verdict(folder, |golden, files| {
        let names = files.iter().filter_map(|file| file.strip_suffix(".json")).collect();
        golden.run(files, &names, |name| PlanCase::load(&golden.folder, name)?.run::<P>())
    });
}

/// The suffix of a snapshot, and its text.
type Snapshot = (&'static str, String);

/// Fails as tests fail unless `run` finds cases, and nothing wrong with them.
#[allow(clippy::panic, reason = "a test helper: it fails as tests fail")]
fn verdict(folder: &str, run: impl FnOnce(&Golden, &BTreeSet<String>) -> Result<usize, String>) {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let golden = Golden { folder: root.join(folder), bless: std::env::var_os("WEIR_BLESS").is_some() };
    FROZEN.set(true);
    let outcome = golden.files().and_then(|files| run(&golden, &files));
    FROZEN.set(false);
    match outcome {
        Ok(0) => panic!("there are no cases in {folder}"),
        Ok(_) => {}
        Err(problems) => panic!("\n{problems}\nWEIR_BLESS=1 accepts what there is now."),
    }
}

struct Golden {
    folder: PathBuf,
    bless: bool,
}

impl Golden {
    /// Runs the cases of these names. The number of snapshots that hold, or the text of all that do not.
    fn run(
        &self,
        files: &BTreeSet<String>,
        names: &BTreeSet<&str>,
        case: impl Fn(&str) -> Result<Vec<Snapshot>, String>,
    ) -> Result<usize, String> {
        let mut problems = Vec::new();
        let mut snapshots = BTreeSet::new();
        for name in names {
            match case(name) {
                Ok(results) => {
                    for (suffix, text) in results {
                        let file = format!("{name}.{suffix}.snap");
                        problems.extend(self.compare(&file, &text).err());
                        snapshots.insert(file);
                    }
                }
                Err(problem) => problems.push(format!("{name}: {problem}")),
            }
        }
        for file in files.iter().filter(|file| file.ends_with(".snap") && !snapshots.contains(*file)) {
            problems.extend(self.orphan(file).err());
        }
        if problems.is_empty() { Ok(snapshots.len()) } else { Err(problems.join("\n\n")) }
    }

    fn files(&self) -> Result<BTreeSet<String>, String> {
        let entries = fs::read_dir(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    fn compare(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(file);
        if self.bless {
            return write(&path, text);
        }
        match fs::read_to_string(&path) {
            Ok(expected) if expected == text => Ok(()),
            Ok(expected) => Err(format!("{file} differs:\n{}", show::difference(&expected, text))),
            Err(_) => Err(format!("{file} is missing. It would be:\n{text}")),
        }
    }

    fn orphan(&self, file: &str) -> Result<(), String> {
        if self.bless {
            return fs::remove_file(self.folder.join(file)).map_err(|error| format!("{file}: {error}"));
        }
        Err(format!("{file} belongs to no case"))
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
