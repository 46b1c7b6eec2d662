//! The Converse API as it is spoken: what is sent, and what of the answers is read.
//!
//! Its unions are objects with one field, which is how serde writes an enum. What is read has every field optional, so
//! that a block of a kind that nobody knew when this was written is skipped and never fails an answer.
//!
//! Source: the reference of the Bedrock runtime API, version 2023-09-30.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use weir_plugin::openai::{self, FinishReason, Part, Text, Tool};
use weir_plugin::serde_json::{Map, Value};

/// The body of `POST /model/{id}/converse` and `/converse-stream`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// The conversation.
    pub messages: Vec<Turn<'a>>,
    /// What leads it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'a>>,
    /// Absent if there are no tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig<'a>>,
    /// Everything else: `inferenceConfig`, `additionalModelRequestFields`, `outputConfig`, `guardrailConfig` and so on.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What one side says.
#[derive(Serialize)]
pub struct Turn<'a> {
    /// `user` or `assistant`.
    pub role: &'static str,
    /// What it says.
    pub content: Vec<Block<'a>>,
}

/// A block of content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Block<'a> {
    /// Never blank: that is refused.
    Text(&'a str),
    /// An image, a video or a sound.
    Image(Media<'a>),
    /// See `Image`.
    Video(Media<'a>),
    /// See `Image`.
    Audio(Media<'a>),
    /// A document.
    Document {
        /// As in `Media`.
        format: &'static str,
        /// As in `Media`.
        source: Source<'a>,
        /// What the model knows it by: no two documents of a request may have the same.
        name: String,
        /// What the model is to know of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a Value>,
        /// Whether the answer may cite it.
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<&'a Value>,
    },
    /// A call that the assistant made.
    ToolUse {
        /// What the result refers to.
        tool_use_id: Text<'a>,
        /// The tool.
        name: &'a str,
        /// An object.
        input: &'a RawValue,
    },
    /// What came of a call.
    ToolResult {
        /// The call.
        tool_use_id: Text<'a>,
        /// Text, images and other things.
        content: Vec<Block<'a>>,
        /// `error`, if it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    /// What the assistant thought.
    ReasoningContent(Thought<'a>),
    /// What stands before it may be cached.
    CachePoint(Value),
    /// A block that the client wrote in the form of Converse.
    #[serde(untagged)]
    Own(&'a Part<'a>),
}

/// Something besides text.
#[derive(Serialize)]
pub struct Media<'a> {
    /// `png`, `pdf`, `mp4` and so on.
    pub format: &'static str,
    /// Where it is.
    pub source: Source<'a>,
}

/// Where the bytes are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source<'a> {
    /// Here, in base64.
    Bytes(&'a str),
    /// In a bucket.
    S3Location {
        /// `s3://bucket/key`.
        uri: &'a str,
    },
}

/// What the assistant thought: signed text, or something that only its maker can read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Thought<'a> {
    /// Signed text.
    ReasoningText {
        /// The text.
        text: &'a str,
        /// The proof that the model wrote it.
        signature: &'a str,
    },
    /// In base64.
    RedactedContent(&'a str),
}

/// The tools and the choice among them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'a> {
    /// At least one.
    pub tools: Vec<ToolBlock<'a>>,
    /// Absent: the model is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
}

/// A tool, or a cache point behind one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToolBlock<'a> {
    /// A function.
    ToolSpec {
        /// Its name.
        name: &'a str,
        /// What it is for: never empty.
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        /// Its arguments.
        input_schema: InputSchema<'a>,
        /// Whether the arguments must fit exactly.
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    /// What stands before it may be cached.
    CachePoint(Value),
    /// A tool that the client wrote in the form of Converse, of the model's own for instance.
    #[serde(untagged)]
    Own(&'a Tool<'a>),
}

/// The arguments of a tool.
#[derive(Serialize)]
pub struct InputSchema<'a> {
    /// A JSON Schema of an object.
    pub json: &'a RawValue,
}

/// Whether a tool must be called. There is no word for `none`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolChoice<'a> {
    /// The model decides.
    Auto {},
    /// One of them.
    Any {},
    /// This one.
    Tool {
        /// Its name.
        name: &'a str,
    },
}

/// A whole answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    /// Absent in what is no answer.
    #[serde(borrow)]
    pub output: Option<Output<'a>>,
    /// Why it ended.
    #[serde(borrow)]
    pub stop_reason: Option<Text<'a>>,
    /// What it cost.
    pub usage: Option<Usage>,
}

/// What was generated.
#[derive(Deserialize)]
pub struct Output<'a> {
    /// The message.
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
}

/// What the assistant says.
#[derive(Deserialize)]
pub struct Message<'a> {
    /// Its blocks.
    #[serde(borrow, default)]
    pub content: Vec<Piece<'a>>,
}

/// The data of an event of a stream; the event's name says which fields count. Padding is left aside.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamEvent<'a> {
    /// Which block.
    #[serde(default)]
    pub content_block_index: u64,
    /// Of `contentBlockStart`.
    #[serde(borrow)]
    pub start: Option<Piece<'a>>,
    /// Of `contentBlockDelta`.
    #[serde(borrow)]
    pub delta: Option<Piece<'a>>,
    /// Of `messageStop`.
    #[serde(borrow)]
    pub stop_reason: Option<Text<'a>>,
    /// Of `metadata`.
    pub usage: Option<Usage>,
}

/// A block of an answer, the start of one, or what a delta adds to one: the fields of those that are translated.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece<'a> {
    /// Text.
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    /// A call.
    #[serde(borrow)]
    pub tool_use: Option<ToolUse<'a>>,
    /// What the model thinks.
    #[serde(borrow)]
    pub reasoning_content: Option<ReasoningPiece<'a>>,
    /// Text with sources, in a whole answer.
    #[serde(borrow)]
    pub citations_content: Option<CitationsContent<'a>>,
    /// A source, in a stream.
    pub citation: Option<Value>,
}

/// A call, its start, or a piece of its arguments.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse<'a> {
    /// What the result will refer to.
    #[serde(borrow)]
    pub tool_use_id: Option<Text<'a>>,
    /// The tool.
    #[serde(borrow, default)]
    pub name: Text<'a>,
    /// `server_tool_use`, if the call is none of the client's.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    /// The arguments as an object; in a delta, a string that holds a piece of them.
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

/// What the model thinks, in a whole answer or in a delta.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningPiece<'a> {
    /// In a whole answer: the text and its signature.
    #[serde(borrow)]
    pub reasoning_text: Option<ReasoningText<'a>>,
    /// In a delta: a piece of the text.
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    /// In a delta: a piece of the signature.
    #[serde(borrow)]
    pub signature: Option<Text<'a>>,
    /// What only the model's maker can read, in base64.
    #[serde(borrow)]
    pub redacted_content: Option<Text<'a>>,
}

/// Text that the model thinks, and the proof that it does.
#[derive(Deserialize)]
pub struct ReasoningText<'a> {
    /// The text.
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    /// The proof.
    #[serde(borrow)]
    pub signature: Option<Text<'a>>,
}

/// Text with its sources.
#[derive(Deserialize)]
pub struct CitationsContent<'a> {
    /// The text.
    #[serde(borrow, default)]
    pub content: Vec<ReasoningText<'a>>,
    /// The sources.
    #[serde(default)]
    pub citations: Vec<Value>,
}

/// Tokens. The input figures exclude each other: the prompt is the sum of the three.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    /// Older names, which some answers have besides and some in place of the others.
    cache_read_input_token_count: Option<u64>,
    cache_write_input_token_count: Option<u64>,
}

impl Usage {
    /// The usage in OpenAI's terms: the prompt includes what was read from and written to the cache.
    pub fn canonical(self) -> openai::Usage {
        let read = self.cache_read_input_tokens.or(self.cache_read_input_token_count);
        let written = self.cache_write_input_tokens.or(self.cache_write_input_token_count);
        let prompt = [self.input_tokens, read.unwrap_or(0), written.unwrap_or(0)];
        let prompt = prompt.into_iter().fold(0, u64::saturating_add);
        let mut usage = openai::Usage::new(prompt, self.output_tokens);
        if let Some(read) = read {
            usage = usage.with_cached(read);
        }
        written.map_or(usage.clone(), |written| usage.with_cache_writes(written))
    }
}

/// The reason in OpenAI's terms. Without one the answer is taken to be complete.
pub fn finish_reason(reason: Option<&str>) -> FinishReason {
    FinishReason::from_upstream(reason.unwrap_or_default())
}
