//! The answers of the Converse API, as far as they are read. What is sent is written in [`crate::encode`].
//!
//! Its unions are objects with one field. Here they are documents whose fields are all optional, so that a block of a
//! kind that nobody knew when this was written is skipped and never fails an answer.
//!
//! Source: the reference of the Bedrock runtime API, version 2023-09-30.

use weir_plugin::openai::{self, Text};
use weir_plugin::serde_json::{Value, value::RawValue};

weir_plugin::document! {
    /// A whole answer, or the data of an event of a stream, of which its name says which fields count.
    pub struct Answer<'a> {
        /// What was generated. Absent in what is no answer.
        output: Output<'a>,
        /// Of the events of a block: which one it is.
        content_block_index = "contentBlockIndex": u64,
        /// Of `contentBlockStart`.
        start: Piece<'a>,
        /// Of `contentBlockDelta`.
        delta: Piece<'a>,
        /// Why it ended, also of `messageStop`.
        stop_reason = "stopReason": Text<'a>,
        /// What it cost, also of `metadata`.
        usage: Usage,
    }

    /// What was generated.
    pub struct Output<'a> {
        /// What the assistant says.
        message: Content<'a>,
    }

    /// The blocks of a message, or those of a text with sources.
    pub struct Content<'a> {
        /// The blocks.
        content: Vec<Piece<'a>>,
        /// The sources.
        citations: Vec<Value>,
    }

    /// A block of an answer, the start of one, or what a delta adds to one: the fields of those that are translated.
    pub struct Piece<'a> {
        /// Text.
        text: Text<'a>,
        /// A call.
        tool_use = "toolUse": ToolUse<'a>,
        /// What the model thinks.
        reasoning = "reasoningContent": Reasoning<'a>,
        /// Text with sources, in a whole answer.
        cited = "citationsContent": Content<'a>,
        /// A source, in a stream.
        citation: Value,
    }

    /// A call, its start, or a piece of its arguments.
    pub struct ToolUse<'a> {
        /// What the result refers to.
        id = "toolUseId": Text<'a>,
        /// The tool.
        name: Text<'a>,
        /// Of an answer: `server_tool_use`, if the call is none of the client's.
        kind = "type": Text<'a>,
        /// The arguments as an object; in a delta, a string that holds a piece of them.
        input: &'a RawValue,
    }

    /// What the model thinks, or a piece of it.
    pub struct Reasoning<'a> {
        /// But for a delta, the text and its signature are within this.
        whole = "reasoningText": Box<Reasoning<'a>>,
        /// The text, or a piece of it.
        text: Text<'a>,
        /// The proof that the model wrote it, or a piece of that.
        signature: Text<'a>,
        /// What only the model's maker can read, in base64.
        redacted = "redactedContent": Text<'a>,
    }

    /// Tokens. The input figures exclude each other: the prompt is the sum of the three.
    pub struct Usage {
        /// Of the prompt, but for those that a cache has to do with.
        input = "inputTokens": u64,
        /// Generated.
        output = "outputTokens": u64,
        /// Read from a cache.
        read = "cacheReadInputTokens" | "cacheReadInputTokenCount": u64,
        /// Written to a cache.
        written = "cacheWriteInputTokens" | "cacheWriteInputTokenCount": u64,
    }
}

impl Usage {
    /// The usage in OpenAI's terms: the prompt includes what was read from and written to the cache.
    pub fn canonical(&self) -> openai::Usage {
        let prompt = [self.input, self.read, self.written].into_iter().flatten().fold(0, u64::saturating_add);
        let usage = openai::Usage::new(prompt, self.output.unwrap_or(0));
        usage.with_cached(self.read).with_cache_writes(self.written)
    }
}
