//! One event of a streamed answer. To write many of them fast, see [`super::ChunkWriter`].

use serde_json::Value;

use super::{Text, Usage};

crate::document! {
    /// A chat completion chunk.
    pub struct Chunk<'a> {
        /// The answer's id: the same in all its chunks.
        id: Text<'a>,
        /// `chat.completion.chunk`.
        object: Text<'a>,
        /// When the answer was begun, in seconds since 1970: the same in all its chunks.
        created: u64,
        /// The model that answers: the same in all chunks.
        model: Text<'a>,
        /// What is new, for one or several of the `n` answers. Empty in the usage chunk.
        choices: Vec<ChunkChoice<'a>>,
        /// What the answer cost, in the last chunk.
        usage: Usage,
        /// Which tier served it.
        service_tier: Text<'a>,
        /// Which version of the server's software served it.
        system_fingerprint: Text<'a>,
    }

    /// What is new in one answer.
    pub struct ChunkChoice<'a> {
        /// Its place among the `n`, from 0.
        index: u32,
        /// What is new.
        delta: Delta<'a>,
        /// Token probabilities of what is new.
        logprobs: Value,
        /// Why the answer ended: once, in its last chunk.
        finish_reason: Text<'a> = null,
    }

    /// What is new in one answer's message.
    pub struct Delta<'a> {
        /// `assistant`, in the first delta only.
        role: Text<'a>,
        /// More text.
        content: Text<'a>,
        /// More of what it says when it declines.
        refusal: Text<'a>,
        /// More of what it thinks.
        reasoning_content: Text<'a>,
        /// New tool calls, and more of the arguments of those that were begun.
        tool_calls: Vec<ToolCallDelta<'a>>,
        /// The call in the form before `tool_calls`.
        function_call: FunctionDelta<'a>,
    }

    /// What is new in one tool call. Its id, type and name come once, in its first delta.
    pub struct ToolCallDelta<'a> {
        /// Its place among the message's calls, from 0.
        index: u32,
        /// What the result will refer to.
        id: Text<'a>,
        /// `function`.
        kind = "type": Text<'a>,
        /// The function's name, and more of the arguments.
        function: FunctionDelta<'a>,
    }

    /// What is new in one function call.
    pub struct FunctionDelta<'a> {
        /// The function's name.
        name: Text<'a>,
        /// More of the arguments: a piece of a JSON text.
        arguments: Text<'a>,
    }
}
