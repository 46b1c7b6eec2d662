//! What an operator can choose: tasks, their tiers, and what tells of them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The `settings` of the policy. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub(crate) tasks: BTreeMap<String, Work>,
    pub(crate) tiers: BTreeMap<Tier, Vec<String>>,
    pub(crate) default: Tier,
    pub(crate) header: Option<String>,
    /// The prompt tokens from which a tier is wanted at least.
    pub(crate) escalate: BTreeMap<Tier, u64>,
}

/// What a task is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    pub tier: Tier,
    #[serde(default)]
    pub words: Vec<String>,
}

/// A class of targets, from the smallest models to the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tier {
    Fast,
    Light,
    Heavy,
}

impl Tier {
    pub const ALL: [Self; 3] = [Self::Fast, Self::Light, Self::Heavy];

    /// Its name in settings, and the tag of its targets unless the settings say otherwise.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }

    /// The tier of this name, in whatever case: `FAST`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name().eq_ignore_ascii_case(name))
    }
}

impl Settings {
    /// The task of this name, in whatever case.
    pub(crate) fn task(&self, name: &str) -> Option<&Work> {
        self.tasks.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, work)| work)
    }

    /// The tier that a prompt of so many tokens wants at least.
    pub(crate) fn escalated(&self, prompt_tokens: u64) -> Tier {
        let reached = self.escalate.iter().filter(|(_, from)| prompt_tokens >= **from);
        reached.map(|(tier, _)| *tier).max().unwrap_or(Tier::Fast)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let work = |name: &str, tier, words: &[&str]| {
            (name.to_owned(), Work { tier, words: words.iter().map(|&word| word.to_owned()).collect() })
        };
        let tasks = [
            work("code", Tier::Heavy, &CODE_WORDS),
            work("docs", Tier::Light, &DOCS_WORDS),
            work("search", Tier::Fast, &SEARCH_WORDS),
        ];
        Self {
            tasks: tasks.into_iter().collect(),
            tiers: BTreeMap::new(),
            default: Tier::Light,
            header: Some("x-weir-task".to_owned()),
            escalate: BTreeMap::new(),
        }
    }
}

/// Signs of work on code. A fence of backticks is the plainest of them.
const CODE_WORDS: [&str; 16] = [
    "```",
    "bug",
    "class",
    "code",
    "compile",
    "compiler",
    "debug",
    "exception",
    "fix",
    "function",
    "implement",
    "method",
    "refactor",
    "regex",
    "stack trace",
    "unit test",
];

const DOCS_WORDS: [&str; 13] = [
    "changelog",
    "comment",
    "comments",
    "describe",
    "docs",
    "document",
    "documentation",
    "explain",
    "readme",
    "rewrite",
    "summarise",
    "summarize",
    "translate",
];

const SEARCH_WORDS: [&str; 9] =
    ["find", "grep", "list all", "locate", "look up", "search", "where is", "which file", "who wrote"];

/// The same as a JSON Schema.
pub const SETTINGS_SCHEMA: &str = r##"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "tasks": {
      "description": "The tasks by name, each with its tier and the words that tell of it. By default code (heavy), docs (light) and search (fast).",
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false, "required": ["tier"],
        "properties": {
          "tier": { "$ref": "#/$defs/tier" },
          "words": { "type": "array", "maxItems": 200, "items": { "type": "string", "minLength": 1, "maxLength": 64 } }
        }
      }
    },
    "tiers": {
      "description": "The tags of each tier's targets, where they are not of the tier's name.",
      "type": "object", "additionalProperties": false,
      "properties": { "fast": { "$ref": "#/$defs/tags" }, "light": { "$ref": "#/$defs/tags" }, "heavy": { "$ref": "#/$defs/tags" } }
    },
    "default": {
      "description": "The tier of a request that tells of no task.",
      "$ref": "#/$defs/tier", "default": "light"
    },
    "header": {
      "description": "The header in which a client names the task or the tier. null: none.",
      "type": ["string", "null"], "minLength": 1, "default": "x-weir-task"
    },
    "escalate": {
      "description": "The prompt tokens from which a tier is wanted at least: { light: 4000, heavy: 16000 }.",
      "type": "object", "additionalProperties": false,
      "properties": { "light": { "type": "integer", "minimum": 1 }, "heavy": { "type": "integer", "minimum": 1 } }
    }
  },
  "$defs": {
    "tier": { "enum": ["fast", "light", "heavy"] },
    "tags": { "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 } }
  }
}"##;
