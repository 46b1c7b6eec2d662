//! What the name of a model tells: whether it thinks, how that is asked for, and what else came with its generation.

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// It does not think, or nobody knows.
    No,
    /// By a number of tokens: Gemini 2.5.
    Budget,
    /// By a level: Gemini 3 and later.
    Level,
}

/// How this model is told how much to think. Models that draw or speak do not think before Gemini 3.
pub fn thinking(model: &str) -> Thinking {
    let draws_or_speaks = ["-image", "-tts", "-audio", "-live"].iter().any(|word| model.contains(word));
    match version(model) {
        Some(version) if version >= 30 => Thinking::Level,
        Some(25..30) if !draws_or_speaks => Thinking::Budget,
        _ => Thinking::No,
    }
}

/// Whether this is Gemini 3 or later, which insists on thought signatures and takes media in the results of tools.
pub fn is_newer(model: &str) -> bool {
    version(model).is_some_and(|version| version >= 30)
}

/// The version times ten: 25 for `gemini-2.5-pro`. The names that move with the newest model count as the newest.
fn version(model: &str) -> Option<u32> {
    let rest = &model[model.find("gemini-")? + "gemini-".len()..];
    if rest.ends_with("-latest") && !rest.starts_with(|first: char| first.is_ascii_digit()) {
        return Some(u32::MAX);
    }
    let number = rest.split('-').find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    // A date or a count is no version: `gemini-exp-1206`, `gemini-embedding-001`.
    let major: u32 = major.parse().ok().filter(|_| major.len() == 1)?;
    Some(major * 10 + minor.parse().unwrap_or(0).min(9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_model_tells_how_it_thinks() {
        let cases = [
            ("gemini-1.5-pro", Thinking::No, false),
            ("gemini-2.0-flash-001", Thinking::No, false),
            ("gemini-2.5-pro", Thinking::Budget, false),
            ("models/gemini-2.5-flash-lite", Thinking::Budget, false),
            ("gemini-2.5-flash-image", Thinking::No, false),
            ("gemini-2.5-flash-preview-tts", Thinking::No, false),
            ("gemini-robotics-er-1.5-preview", Thinking::No, false),
            ("gemini-3-pro-preview", Thinking::Level, true),
            ("gemini-3.5-flash", Thinking::Level, true),
            ("publishers/google/models/gemini-3-flash-preview", Thinking::Level, true),
            ("gemini-flash-latest", Thinking::Level, true),
            ("gemini-2.5-flash-latest", Thinking::Budget, false),
            ("gemini-exp-1206", Thinking::No, false),
            ("gemini-embedding-001", Thinking::No, false),
            ("gemma-3-27b-it", Thinking::No, false),
            ("endpoints/123", Thinking::No, false),
        ];
        for (model, expected, newer) in cases {
            assert_eq!((thinking(model), is_newer(model)), (expected, newer), "{model}");
        }
    }
}
