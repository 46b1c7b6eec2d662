//! What a request cost, in tokens.

crate::document! {
    /// Token counts. `prompt_tokens` includes what was cached, `completion_tokens` includes reasoning.
    pub struct Usage {
        /// All tokens of the prompt.
        prompt_tokens: u64,
        /// All tokens that were generated.
        completion_tokens: u64,
        /// Both.
        total_tokens: u64,
        /// What the prompt's tokens were.
        prompt_tokens_details: PromptTokensDetails,
        /// What the generated tokens were.
        completion_tokens_details: CompletionTokensDetails,
    }

    /// What the prompt's tokens were.
    pub struct PromptTokensDetails {
        /// Read from a cache.
        cached_tokens: u64,
        /// Written to a cache.
        cache_write_tokens: u64,
        /// Sound.
        audio_tokens: u64,
    }

    /// What the generated tokens were.
    pub struct CompletionTokensDetails {
        /// Reasoning, which the client may never have seen.
        reasoning_tokens: u64,
        /// Sound.
        audio_tokens: u64,
        /// Of the client's prediction, those that came true.
        accepted_prediction_tokens: u64,
        /// Of the client's prediction, those that did not.
        rejected_prediction_tokens: u64,
    }
}

impl Usage {
    /// The usage of a request, and its sum.
    pub fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self {
            prompt_tokens: Some(prompt_tokens),
            completion_tokens: Some(completion_tokens),
            total_tokens: Some(prompt_tokens.saturating_add(completion_tokens)),
            ..Default::default()
        }
    }

    /// The same usage, `cached` tokens of the prompt having been read from a cache.
    /// As in all of these, `None` means that nobody knows.
    #[must_use]
    pub fn with_cached(mut self, cached: impl Into<Option<u64>>) -> Self {
        if let Some(cached) = cached.into() {
            self.prompt_tokens_details.get_or_insert_default().cached_tokens = Some(cached);
        }
        self
    }

    /// The same usage, `written` tokens of the prompt having been written to a cache.
    #[must_use]
    pub fn with_cache_writes(mut self, written: impl Into<Option<u64>>) -> Self {
        if let Some(written) = written.into() {
            self.prompt_tokens_details.get_or_insert_default().cache_write_tokens = Some(written);
        }
        self
    }

    /// The same usage, so many tokens of the prompt and of what was generated having been sound.
    #[must_use]
    pub fn with_audio(mut self, prompt: Option<u64>, generated: Option<u64>) -> Self {
        if prompt.is_some() {
            self.prompt_tokens_details.get_or_insert_default().audio_tokens = prompt;
        }
        if generated.is_some() {
            self.completion_tokens_details.get_or_insert_default().audio_tokens = generated;
        }
        self
    }

    /// The same usage, `reasoning` of the generated tokens having been reasoning.
    #[must_use]
    pub fn with_reasoning(mut self, reasoning: impl Into<Option<u64>>) -> Self {
        if let Some(reasoning) = reasoning.into() {
            self.completion_tokens_details.get_or_insert_default().reasoning_tokens = Some(reasoning);
        }
        self
    }
}

impl Usage {
    /// What an upstream of the OpenAI dialect counted, by OpenAI's own rules. Some leave the reasoning out of
    /// `completion_tokens` but not out of the total, whether or not they say how much it was; some leave out the total;
    /// and some have names of their own for what was read from a cache.
    #[must_use]
    pub fn completed(mut self) -> Self {
        let (completion, total) = (self.completion_tokens.unwrap_or(0), self.total_tokens.unwrap_or(0));
        let prompt = self.prompt_tokens.unwrap_or(total.saturating_sub(completion));
        let completion = completion.max(total.saturating_sub(prompt));
        self.prompt_tokens = Some(prompt);
        self.completion_tokens = Some(completion);
        self.total_tokens = Some(prompt.saturating_add(completion));
        let known = self.prompt_tokens_details.as_ref().is_some_and(|details| details.cached_tokens.is_some());
        let count = |name| self.extra.get(name).and_then(serde_json::Value::as_u64);
        match ["prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens"].into_iter().find_map(count) {
            Some(cached) if !known => self.with_cached(cached),
            _ => self,
        }
    }
}

impl crate::Parkable for Usage {
    fn write(&self, state: &mut String) {
        // Counts and what the upstream itself wrote: nothing in them can fail to be written.
        serde_json::to_string(self).unwrap_or_default().write(state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        serde_json::from_str(crate::read_text(state)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Usage;

    #[test]
    fn counts_of_every_kind_are_completed() {
        let cases = [
            (
                json!({"prompt_tokens": 3, "completion_tokens": 2}),
                json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
            ),
            (
                json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9,
                    "completion_tokens_details": {"reasoning_tokens": 4}}),
                json!({"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9,
                    "completion_tokens_details": {"reasoning_tokens": 4}}),
            ),
            (
                json!({"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9,
                    "completion_tokens_details": {"reasoning_tokens": 4}}),
                json!({"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9,
                    "completion_tokens_details": {"reasoning_tokens": 4}}),
            ),
            (
                json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9}),
                json!({"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}),
            ),
            (
                json!({"completion_tokens": 2, "total_tokens": 9}),
                json!({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}),
            ),
            (
                json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 4}),
                json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
            ),
            (
                json!({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3, "prompt_cache_hit_tokens": 2}),
                json!({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3,
                    "prompt_tokens_details": {"cached_tokens": 2}, "prompt_cache_hit_tokens": 2}),
            ),
        ];
        for (upstream, expected) in cases {
            let usage: Usage = serde_json::from_value(upstream).unwrap();
            assert_eq!(serde_json::to_value(usage.completed()).unwrap(), expected);
        }
    }
}
