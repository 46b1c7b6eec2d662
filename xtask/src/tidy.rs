//! `tidy`: what the compiler does not check of the structure of the source, also as a test.
//!
//! The rules are those of ARCHITECTURE.md: which module of the host may use which, that no host code names a
//! provider, and a few on the form of files.

mod code;
mod edges;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::components;
use crate::place::Place;

const LONGEST_FILE: usize = 600;

/// The folders of the workspace that hold Rust.
const SOURCES: &[&str] = &["bench", "host", "plugins", "sdk", "tests", "xtask"];

/// Upstreams that the host must not know of, besides the names of the plugins. `openai` is the name of a form here,
/// and only means a provider where it stands alone as a text.
const PROVIDERS: &[&str] = &[
    "anthropic",
    "azure",
    "bedrock",
    "blackbox",
    "cerebras",
    "claude",
    "cohere",
    "deepseek",
    "fireworks",
    "gemini",
    "gpustack",
    "groq",
    "huggingface",
    "litellm",
    "llamacpp",
    "mistral",
    "ollama",
    "openrouter",
    "perplexity",
    "sagemaker",
    "together",
    "vertex",
    "vllm",
    "xai",
];

/// Words that are also plain English or the name of the API that clients speak: only a text that is exactly this
/// names a provider.
const AMBIGUOUS: &[&str] = &["demo", "openai", "together"];

/// Prints every break of a rule.
pub fn run(place: &Place) -> Result<ExitCode> {
    let found = check(place)?;
    for problem in &found {
        println!("{problem}");
    }
    println!("tidy: {} to fix", found.len());
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every break of a rule, as `file:line: what`.
fn check(place: &Place) -> Result<Vec<String>> {
    let mut words: Vec<String> = PROVIDERS.iter().map(|&word| word.to_owned()).collect();
    words.extend(provider_crates(&place.root.join("plugins"))?);
    words.sort();
    words.dedup();
    let mut problems = Vec::new();
    for folder in SOURCES {
        for file in rust_files(&place.root.join(folder))? {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = place.shown(&file);
            problems.extend(form(&text).map(|(line, what)| format!("{name}:{line}: {what}")));
            let Some(inside) = name.strip_prefix("host/src/") else { continue };
            let code = code::without_comments(&text);
            problems.extend(edges::check(inside, &code).map(|(line, what)| format!("{name}:{line}: {what}")));
            // Which providers are found without a configuration is data, and its tests say what stands in it.
            if inside.starts_with("config/") && (inside.ends_with("/tests.rs") || inside.contains("/tests/")) {
                continue;
            }
            problems.extend(providers(&code, &words).map(|(line, what)| format!("{name}:{line}: {what}")));
        }
    }
    Ok(problems)
}

/// The names of the crates in a folder that make a provider. Those of policies are plain words (`task`).
fn provider_crates(folder: &Path) -> Result<Vec<String>> {
    let mut names = components::crates_in(folder)?;
    names.retain(|name| {
        let source = fs::read_to_string(folder.join(name).join("src/lib.rs"));
        source.is_ok_and(|source| source.contains("export_provider!"))
    });
    Ok(names)
}

/// All `.rs` files below a folder, without what was built.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(files) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What is wrong with the form of a file.
fn form(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push((1, "does not begin with `//!`: say what this file is".to_owned()));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        found.push((lines, format!("has {lines} lines: split it by {LONGEST_FILE}")));
    }
    // Written in two parts, so that this file passes its own check.
    for unfinished in [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")] {
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains(unfinished));
        found.extend(lines.map(|(index, _)| (index + 1, format!("`{unfinished}` is unfinished work"))));
    }
    found.into_iter()
}

/// Where code names a provider.
fn providers(code: &str, words: &[String]) -> impl Iterator<Item = (usize, String)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let lower = line.to_ascii_lowercase();
        for word in words {
            let named = if AMBIGUOUS.contains(&word.as_str()) {
                lower.contains(&format!("\"{word}\"")) || lower.contains(&format!("\"{word}/"))
            } else {
                has_word(&lower, word)
            };
            if named {
                found.push((index + 1, format!("names the provider `{word}`: the host knows no provider")));
            }
        }
    }
    found.into_iter()
}

fn has_word(line: &str, word: &str) -> bool {
    let letter = |character: char| character.is_ascii_alphanumeric();
    line.match_indices(word)
        .any(|(start, found)| !line[..start].ends_with(letter) && !line[start + found.len()..].starts_with(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_tidy() -> Result<()> {
        let problems = check(&Place::find()?)?;
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
        Ok(())
    }

    #[test]
    fn a_plugin_is_a_providers_if_it_exports_one() -> Result<()> {
        let names = provider_crates(&Place::find()?.root.join("plugins"))?;
        assert!(names.contains(&"anthropic".to_owned()) && !names.contains(&"task".to_owned()), "{names:?}");
        Ok(())
    }

    #[test]
    fn a_provider_is_found_in_names_and_texts_but_the_form_of_the_api_is_not() {
        let words = ["ollama", "openai"].map(str::to_owned);
        let cases = [
            ("if name == \"ollama\" {", 1),
            ("fn ollama_base_url() {}", 1),
            ("enum Kind { Ollama }", 1),
            ("let collamation = 1;", 0),
            ("headers.insert(\"openai-version\", value);", 0),
            ("fn to_openai_error() {}", 0),
            ("match plugin { \"openai\" => 1 }", 1),
        ];
        for (code, expected) in cases {
            assert_eq!(providers(code, &words).count(), expected, "{code}");
        }
    }

    #[test]
    fn a_file_says_what_it_is_and_stays_readable() {
        assert_eq!(form("//! What it is.\n").count(), 0);
        assert_eq!(form("use std::fs;\n").count(), 1);
        assert_eq!(form(&format!("//! Long.\n{}", "\n".repeat(LONGEST_FILE))).count(), 1);
        assert_eq!(form(concat!("//! Unfinished.\nfn f() { to", "do!() }\n")).count(), 1);
    }
}
