//! What Ollama is sent and what it answers, as typed documents. Times are in nanoseconds, tool arguments are objects.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use weir_plugin::openai::{EmbeddingInput, Text, Tool, Vector};

weir_plugin::document! {
    /// The body of `POST /api/chat`, `/api/generate` and `/api/embed`, which have most of it in common. Rarer fields are
    /// in `extra`.
    pub struct Body<'a> {
        /// The model with its tag.
        model: Text<'a>,
        /// Of a chat: the conversation so far.
        messages: Vec<Turn<'a>>,
        /// Of a completion: what to go on with.
        prompt: Text<'a>,
        /// Of a completion: what comes after the gap that is to be filled.
        suffix: Text<'a>,
        /// Of embeddings: the texts.
        input: EmbeddingInput<'a>,
        /// Whether the answer is to be streamed. It is if this is absent.
        stream: bool,
        /// The tools that the model may call.
        tools: Vec<Tool<'a>>,
        /// `"json"`, or a JSON Schema.
        format: Box<RawValue>,
        /// Sampling and memory.
        options: Map<String, Value>,
    }

    /// A message, in a request or in an answer.
    pub struct Turn<'a> {
        /// `system`, `user`, `assistant` or `tool`.
        role: Text<'a>,
        /// Its text.
        content: Text<'a>,
        /// What the model thought.
        thinking: Text<'a>,
        /// Images in base64.
        images: Vec<Text<'a>>,
        /// The calls that the model made.
        tool_calls: Vec<FunctionCall<'a>>,
        /// With the role `tool`: the function that this is the result of.
        tool_name: Text<'a>,
        /// With the role `tool`: the call that this is the result of. Older builds know the name alone.
        tool_call_id: Text<'a>,
    }

    /// A tool call.
    pub struct FunctionCall<'a> {
        /// Its id. Older builds have none.
        id: Text<'a>,
        /// What is called.
        function: Function<'a>,
    }

    /// What is called.
    pub struct Function<'a> {
        /// The function's name.
        name: Text<'a>,
        /// Its arguments: an object.
        arguments: Box<RawValue>,
    }

    /// A whole answer, or one line of a streamed one. The counts come in the last line.
    pub struct Line<'a> {
        /// The model that answers.
        model: Text<'a>,
        /// When it did, as in RFC 3339.
        created_at: Text<'a>,
        /// Of a chat: what the model says.
        message: Turn<'a>,
        /// Of a completion: the text.
        response: Text<'a>,
        /// Of a completion: what the model thought.
        thinking: Text<'a>,
        /// Whether this is the last line.
        done: bool,
        /// Why: `stop`, `length`, `load` or `unload`.
        done_reason: Text<'a>,
        /// Tokens of the prompt. Absent if older builds had the whole of it in their cache.
        prompt_eval_count: u64,
        /// Generated tokens.
        eval_count: u64,
        /// Token probabilities of this line.
        logprobs: Vec<Value>,
        /// Of embeddings: one for each text.
        embeddings: Vec<Vector>,
        /// The only embedding, in the form before `/api/embed`, which some who speak the API still have.
        embedding: Vector,
        /// Of a completion: all tokens so far. Long, and of no use to an OpenAI client.
        context: Box<RawValue>,
        /// What went wrong, in place of all others.
        error: Value,
    }
}
