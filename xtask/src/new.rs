//! `new`: starts a plugin from the template of its kind.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::steps;

/// A kind of plugin, with its template: a crate of the workspace, so that it is compiled and tested like any other.
pub struct Kind {
    /// The template's folder.
    folder: &'static str,
    /// The name of the template's package, which stands for that of the new plugin wherever it is.
    package: &'static str,
}

/// Translates between the OpenAI API and that of an upstream.
pub const PROVIDER: Kind = Kind { folder: "sdk/rust/template", package: "provider-template" };

/// Decides which targets serve a request.
pub const POLICY: Kind = Kind { folder: "sdk/rust/template-policy", package: "policy-template" };

/// The name of the type in every template that stands for the new plugin's.
const TYPE: &str = "Template";

/// Makes `plugins/NAME` and adds it to the workspace.
pub fn plugin(place: &Place, kind: &Kind, name: &str) -> Result<()> {
    if !is_plugin_name(name) {
        bail!("`{name}` cannot be a plugin's name: use lower case letters, digits and `-`, a letter first");
    }
    let destination = place.root.join("plugins").join(name);
    if destination.exists() {
        bail!("{} is there already", place.shown(&destination));
    }
    copy(&place.root.join(kind.folder), &destination, kind, name)?;
    let manifest = place.root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, with_member(&text, &format!("plugins/{name}"))?)?;
    steps::say(&format!("made {}: its README.md says what to do next", place.shown(&destination)));
    steps::say(&format!("`cargo test -p {name}` tests it, `cargo xtask plugins` builds it"));
    Ok(())
}

fn is_plugin_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-')
}

/// Copies a folder of text files, with the template's words replaced.
fn copy(source: &Path, destination: &Path, kind: &Kind, name: &str) -> Result<()> {
    fs::create_dir_all(destination)?;
    let entries = fs::read_dir(source).with_context(|| format!("there is no template at {}", source.display()))?;
    for entry in entries {
        let (from, to) = (entry.as_ref().map(fs::DirEntry::path), entry.as_ref().map(fs::DirEntry::file_name));
        let (Ok(from), Ok(to)) = (from, to) else { bail!("cannot list {}", source.display()) };
        let to = destination.join(to);
        if from.is_dir() {
            copy(&from, &to, kind, name)?;
        } else {
            let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
            fs::write(&to, filled_in(&text, kind, name))?;
        }
    }
    Ok(())
}

fn filled_in(text: &str, kind: &Kind, name: &str) -> String {
    let text = text.replace(kind.package, name).replace(&kind.package.replace('-', "_"), &name.replace('-', "_"));
    text.replace(TYPE, &type_name(name))
}

/// `my-provider` as the name of a type: `MyProvider`.
fn type_name(name: &str) -> String {
    let words = name.split('-').filter(|word| !word.is_empty());
    words.map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..])).collect()
}

/// The manifest of the workspace with one more member, unless a pattern covers it.
fn with_member(manifest: &str, member: &str) -> Result<String> {
    if manifest.contains("\"plugins/*\"") || manifest.contains(&format!("\"{member}\"")) {
        return Ok(manifest.to_owned());
    }
    let list = manifest.find("members = [").context("the workspace's Cargo.toml has no list of members")?;
    let end = list + manifest[list..].find(']').context("the list of members has no end")?;
    let (before, after) = manifest.split_at(end);
    let separator = if before.trim_end().ends_with(['[', ',']) { "" } else { "," };
    let kept = before.trim_end();
    let space = if before == kept { " " } else { "\n    " };
    let close = if before == kept { "" } else { ",\n" };
    Ok(format!("{kept}{separator}{space}\"{member}\"{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_template_become_those_of_the_plugin() {
        for (text, kind) in [
            ("name = \"provider-template\" // provider_template::Template", PROVIDER),
            ("name = \"policy-template\" // policy_template::Template", POLICY),
        ] {
            assert_eq!(filled_in(text, &kind, "my-own"), "name = \"my-own\" // my_own::MyOwn");
        }
    }

    #[test]
    fn nothing_of_a_template_is_left_in_a_new_plugin() -> Result<()> {
        let place = Place::find()?;
        for kind in [PROVIDER, POLICY] {
            let folder = std::env::temp_dir().join(format!("weir-new-{}-{}", std::process::id(), kind.package));
            copy(&place.root.join(kind.folder), &folder, &kind, "my-own")?;
            for file in ["Cargo.toml", "README.md", "src/lib.rs", "tests/golden.rs"] {
                let text = fs::read_to_string(folder.join(file))?;
                assert!(!text.contains("template") && !text.contains(TYPE), "{file}: {text}");
            }
            fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }

    #[test]
    fn a_name_that_no_crate_can_have_is_refused() {
        for (name, good) in
            [("groq", true), ("my-own2", true), ("", false), ("2x", false), ("A", false), ("a/b", false)]
        {
            assert_eq!(is_plugin_name(name), good, "{name}");
        }
    }

    #[test]
    fn a_member_is_added_once() -> Result<()> {
        let line = "[workspace]\nmembers = [\"host\", \"plugins/a\"]\n";
        assert_eq!(
            with_member(line, "plugins/b")?,
            "[workspace]\nmembers = [\"host\", \"plugins/a\", \"plugins/b\"]\n"
        );
        let column = "members = [\n    \"host\",\n]\n";
        assert_eq!(with_member(column, "plugins/b")?, "members = [\n    \"host\",\n    \"plugins/b\",\n]\n");
        assert_eq!(with_member(line, "plugins/a")?, line);
        assert_eq!(with_member("members = [\"plugins/*\"]", "plugins/b")?, "members = [\"plugins/*\"]");
        assert!(with_member("[package]", "plugins/b").is_err());
        Ok(())
    }
}
