//! What is known of a provider's models: sizes, modalities, prices.

use super::document::{Node, Value};
use super::errors::Problems;
use super::fields::Fields;
use super::values::{number, one_of, text, whole_number};

/// A model of a provider, with what is known of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelInfo {
    /// What the provider calls it.
    pub id: String,
    /// How many tokens the prompt and the answer may have together. Default unknown.
    pub context_window: Option<u64>,
    /// How many tokens the answer may have. Default unknown.
    pub max_output_tokens: Option<u64>,
    /// What it takes: of `text`, `image`, `audio`, `video`, `file`. Default empty: unknown.
    pub input_modalities: Vec<String>,
    /// What it gives: of the same. Default empty: unknown.
    pub output_modalities: Vec<String>,
    /// What it costs. Default unknown.
    pub prices: Option<Prices>,
}

/// What a model costs, in USD per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Tokens of the prompt.
    pub input: f64,
    /// Tokens of the answer. Default 0, as for embeddings.
    pub output: f64,
    /// Tokens of the prompt that were read from a cache. Default: as `input`.
    pub cached_input: Option<f64>,
}

impl ModelInfo {
    /// A model of which only the name is known.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// The same model, with what only `known` says of it filled in.
    #[must_use]
    pub fn or_known(self, known: &[Self]) -> Self {
        let Some(known) = known.iter().find(|known| known.id == self.id) else { return self };
        let or = |own: Vec<String>, known: &Vec<String>| if own.is_empty() { known.clone() } else { own };
        Self {
            id: self.id,
            context_window: self.context_window.or(known.context_window),
            max_output_tokens: self.max_output_tokens.or(known.max_output_tokens),
            input_modalities: or(self.input_modalities, &known.input_modalities),
            output_modalities: or(self.output_modalities, &known.output_modalities),
            prices: self.prices.or(known.prices),
        }
    }

    /// An element of `models`: a name, or a mapping with an `id`.
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Map(_) => Fields::read(node, problems, Self::read_fields).flatten(),
            _ => text(node)
                .map_err(|message| problems.report(&node.origin, format!("`models`: {message}")))
                .ok()
                .map(Self::named),
        }
    }

    fn read_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let tokens = whole_number(1..=1_000_000_000_000);
        let id = fields.required("id", text);
        let model = Self {
            id: String::new(),
            context_window: fields.get("context_window", &tokens),
            max_output_tokens: fields.get("max_output_tokens", &tokens),
            input_modalities: fields.values("input_modalities", modality),
            output_modalities: fields.values("output_modalities", modality),
            prices: prices(fields),
        };
        Some(Self { id: id?, ..model })
    }
}

fn modality(node: &Node) -> Result<String, String> {
    let words = ["text", "image", "audio", "video", "file"].map(|word| (word, word));
    one_of(&words)(node).map(str::to_owned)
}

fn prices(fields: &mut Fields<'_, '_>) -> Option<Prices> {
    let node = fields.node("prices")?;
    Fields::read(node, fields.problems(), |fields| {
        let input = fields.required("input", number);
        let output = fields.or("output", number, 0.0);
        let cached_input = fields.get("cached_input", number);
        Some(Prices { input: input?, output, cached_input })
    })
    .flatten()
}
