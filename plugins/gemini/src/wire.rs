//! The documents of the Gemini API. Answers leave out whatever they like, and now and then put `null` into a list.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use weir_plugin::Failure;
use weir_plugin::document;
use weir_plugin::openai::{Text, Usage};

document! {
    /// The body of `:generateContent`.
    pub struct Request<'a> {
        /// What has to be followed throughout.
        system_instruction = "systemInstruction": Content<'a>,
        /// The conversation.
        contents: Vec<Content<'a>>,
        /// Functions, and tools of Google's own.
        tools: Vec<Tool<'a>>,
        /// Which functions may or must be called, and what tools have to know.
        tool_config = "toolConfig": Map<String, Value>,
        /// How to generate.
        generation_config = "generationConfig": Map<String, Value>,
    }

    /// What one side says in a row.
    pub struct Content<'a> {
        /// `user` or `model`.
        role: Text<'a>,
        /// What it says.
        parts: Vec<Part<'a>>,
    }

    /// A piece of what is said. One of the fields says which kind it is.
    pub struct Part<'a> {
        /// Text.
        text: Text<'a>,
        /// Media in the document itself.
        inline_data = "inlineData": Blob<'a>,
        /// Media by an address that Google can read.
        file_data = "fileData": FileData<'a>,
        /// A function that the model calls.
        function_call = "functionCall": FunctionCall<'a>,
        /// What the function returned.
        function_response = "functionResponse": FunctionResponse<'a>,
        /// What the model needs back with this part to go on thinking.
        thought_signature = "thoughtSignature": Text<'a>,
    }

    /// Media in the document itself.
    pub struct Blob<'a> {
        /// `image/png` and so on.
        mime_type = "mimeType": Text<'a>,
        /// The content in base64.
        data: Text<'a>,
    }

    /// Media by an address.
    pub struct FileData<'a> {
        /// `image/png` and so on.
        mime_type = "mimeType": Text<'a>,
        /// The address.
        file_uri = "fileUri": Text<'a>,
    }

    /// The call of a function.
    pub struct FunctionCall<'a> {
        /// What the result refers to. Older models give none.
        id: Text<'a>,
        /// The function.
        name: Text<'a>,
        /// Its arguments, an object.
        args: &'a RawValue,
    }

    /// The result of a function.
    pub struct FunctionResponse<'a> {
        /// The call that this is the result of.
        id: Text<'a>,
        /// The function.
        name: Text<'a>,
        /// The result, an object.
        response: Box<RawValue>,
        /// Media of the result.
        parts: Vec<Part<'a>>,
    }

    /// Functions, or one tool of Google's own in `extra`.
    pub struct Tool<'a> {
        /// The functions.
        function_declarations = "functionDeclarations": Vec<FunctionDeclaration<'a>>,
    }

    /// A function that the model may call.
    pub struct FunctionDeclaration<'a> {
        /// Its name.
        name: Text<'a>,
        /// What it is for.
        description: Text<'a>,
        /// Its parameters in JSON Schema.
        parameters_json_schema = "parametersJsonSchema": &'a RawValue,
        /// Its parameters in the subset of OpenAPI.
        parameters: Value,
    }

    /// An answer, or one event of a streamed one.
    pub struct Generated<'a> {
        /// The answers, as many as were asked for.
        candidates: Vec<Option<Candidate<'a>>>,
        /// What became of the prompt.
        prompt_feedback = "promptFeedback": PromptFeedback<'a>,
        /// What it cost so far: a [`UsageMetadata`], of which a stream has one in each event, and only the last counts.
        usage_metadata = "usageMetadata": &'a RawValue,
        /// The model that answered.
        model_version = "modelVersion": Text<'a>,
        /// The id of the answer.
        response_id = "responseId": Text<'a>,
        /// What went wrong in the middle of a stream.
        error: &'a RawValue,
    }

    /// One answer.
    pub struct Candidate<'a> {
        /// Its place among those that were asked for.
        index: u32,
        /// What it says.
        content: Said<'a>,
        /// Why it ended.
        finish_reason = "finishReason": &'a RawValue,
        /// Why it ended, in words.
        finish_message = "finishMessage": Text<'a>,
        /// Sources of a search.
        grounding_metadata = "groundingMetadata": &'a RawValue,
        /// Sources of what it recites.
        citation_metadata = "citationMetadata": &'a RawValue,
        /// Token probabilities.
        logprobs_result = "logprobsResult": &'a RawValue,
        /// Declared to be skipped fast.
        safety_ratings = "safetyRatings": &'a RawValue,
    }

    /// What an answer says. Empty when all tokens went into thoughts.
    pub struct Said<'a> {
        /// The pieces.
        parts: Vec<Option<SaidPart<'a>>>,
    }

    /// A piece of an answer.
    pub struct SaidPart<'a> {
        /// Text.
        text: Text<'a>,
        /// Whether it is a thought.
        thought: bool,
        /// Media.
        inline_data = "inlineData": Blob<'a>,
        /// A function that the model calls.
        function_call = "functionCall": FunctionCall<'a>,
        /// What the model needs back with this part to go on thinking.
        thought_signature = "thoughtSignature": Text<'a>,
    }

    /// What became of the prompt.
    pub struct PromptFeedback<'a> {
        /// Why it was blocked.
        block_reason = "blockReason": &'a RawValue,
        /// The same in words.
        block_reason_message = "blockReasonMessage": Text<'a>,
    }

    /// Token counts. `candidates` is without thoughts, `prompt` without what tools of Google's own added to it.
    pub struct UsageMetadata<'a> {
        /// Of the prompt, with what came from a cache.
        prompt = "promptTokenCount": u64,
        /// Of the prompt, that came from a cache.
        cached = "cachedContentTokenCount": u64,
        /// What tools of Google's own added to the prompt.
        tool_use = "toolUsePromptTokenCount": u64,
        /// Of the answers.
        candidates = "candidatesTokenCount": u64,
        /// Of the thoughts.
        thoughts = "thoughtsTokenCount": u64,
        /// All together.
        total = "totalTokenCount": u64,
        /// The prompt's tokens by modality. Declared, as its neighbours, to be skipped fast.
        prompt_details = "promptTokensDetails": &'a RawValue,
        /// The answers' tokens by modality.
        candidates_details = "candidatesTokensDetails": &'a RawValue,
        /// The tier that served the request.
        service_tier = "serviceTier": Text<'a>,
    }
}

/// Reads an answer or an event. A stream that was asked for without `alt=sse` is a list of what would have been events.
pub fn read(body: &str) -> Result<Vec<Generated<'_>>, Failure> {
    let body = body.trim_start_matches('\u{feff}').trim_start();
    let read = if body.starts_with('[') {
        serde_json::from_str(body)
    } else {
        serde_json::from_str(body).map(|generated| vec![generated])
    };
    read.map_err(|_| Failure::bad_answer("The provider sent something that is no answer of the Gemini API."))
}

/// The name of an enumeration's value. Some servers send its number, which counts as in the Gemini API; where Vertex
/// AI counts differently, the meaning is the same.
pub fn reason(value: &RawValue) -> &str {
    const NAMES: [&str; 10] = [
        "FINISH_REASON_UNSPECIFIED",
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "OTHER",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
    ];
    let text = value.get().trim_matches('"');
    text.parse().ok().and_then(|number: usize| NAMES.get(number)).map_or(text, |name| name)
}

impl UsageMetadata<'_> {
    /// The usage in OpenAI's terms: the prompt includes what tools added to it, the completion includes thoughts.
    pub fn canonical(&self) -> Usage {
        let count = |count: Option<u64>| count.unwrap_or(0);
        let prompt = count(self.prompt).saturating_add(count(self.tool_use));
        let mut usage = Usage::new(prompt, count(self.candidates).saturating_add(count(self.thoughts)));
        usage.total_tokens = usage.total_tokens.max(self.total);
        let mut usage = usage.completed();
        if let Some(cached) = self.cached {
            usage = usage.with_cached(cached);
        }
        if let Some(thoughts) = self.thoughts {
            usage = usage.with_reasoning(thoughts);
        }
        if let Some(audio) = audio(self.prompt_details) {
            usage.prompt_tokens_details.get_or_insert_default().audio_tokens = Some(audio);
        }
        if let Some(audio) = audio(self.candidates_details) {
            usage.completion_tokens_details.get_or_insert_default().audio_tokens = Some(audio);
        }
        usage
    }

    /// The tier that served the request, in OpenAI's words.
    pub fn tier(&self) -> Option<&'static str> {
        match self.service_tier.as_deref()?.to_ascii_lowercase().as_str() {
            "standard" => Some("default"),
            "flex" => Some("flex"),
            "priority" => Some("priority"),
            _ => None,
        }
    }
}

/// The tokens of sound among those of all modalities.
fn audio(details: Option<&RawValue>) -> Option<u64> {
    let details: Vec<Value> = serde_json::from_str(details?.get()).ok()?;
    details.iter().find(|detail| detail["modality"] == "AUDIO")?["tokenCount"].as_u64()
}
