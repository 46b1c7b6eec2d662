//! The documents of the OpenAI API, Weir's canonical form, as typed views: requests, answers, chunks, usage.
//!
//! All fields are optional, `null` equals absent, and what is not declared here is kept in `extra`. Strings borrow from
//! the document they were read from. A view is no validation: whether a combination of fields makes sense is for the
//! plugin, and in the end for the upstream, to say.

mod answer;
mod answer_stream;
mod arguments;
mod base64;
mod chunk;
mod citations;
mod completions;
mod conversation;
mod data_uri;
mod document;
mod dropped;
mod embeddings;
mod failure;
mod fields;
mod finish_reason;
mod functions;
mod identity;
mod limits;
mod many;
mod media;
mod message;
mod normal;
mod odd;
mod parse;
mod pieces;
mod place;
mod request;
mod schema;
mod sink;
mod strip;
mod temperature;
mod text;
mod texts;
mod thinking;
mod thoughts;
mod time;
mod tool_wish;
mod usage;
mod writer;

pub use answer::{AnswerMessage, ChatCompletion, Choice, Model, ModelList};
pub use answer_stream::{AnswerStream, EventReader};
pub(crate) use base64::base64;
pub use chunk::{Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta};
pub use citations::Citations;
pub use completions::{Completion, CompletionChoice, CompletionRequest};
pub use conversation::{Conversation, MessageWriter};
pub use data_uri::DataUri;
pub use document::{Document, read_document};
pub use dropped::{asks_for_something, dropped_fields};
pub use embeddings::{Embedding, EmbeddingInput, EmbeddingList, EmbeddingRequest, EmbeddingUsage, Vector, Vectors};
pub use failure::failure;
pub use fields::{JSON_INSTRUCTION, WantedJson, take_fields};
pub use finish_reason::FinishReason;
pub use functions::{carry, is_legacy};
pub use identity::{completion_id, now, plain_id, tool_call_id};
pub use limits::ToolUse;
pub use many::Many;
pub use media::{Media, MediaSource, is_web, media_type_of};
pub use message::{Content, CustomCall, FileData, FunctionCall, Image, ImageUrl, InputAudio, Message, Part, ToolCall};
pub use odd::{odd_answer, odd_event};
pub use parse::parse;
pub use pieces::{Called, Piece};
pub use place::Place;
pub use request::{
    AllowedTools, ChatRequest, FunctionTool, JsonSchema, NamedTool, ResponseFormat, Stop, StreamOptions, Tool,
    ToolChoice, ToolName,
};
pub use schema::reduced_schema;
pub use sink::{AnswerSink, StreamedAnswer, WholeAnswer};
pub use temperature::Temperature;
pub use text::Text;
pub use thinking::WantedThinking;
pub use thoughts::Thought;
pub use time::seconds_since_1970;
pub use tool_wish::ToolWish;
pub use usage::{CompletionTokensDetails, PromptTokensDetails, Usage};
pub use writer::{ChunkWriter, push_json_string};

/// A document as JSON text. The views hold only what JSON can hold, so this does not fail in practice.
pub fn to_json(document: &impl serde::Serialize) -> Result<String, crate::Failure> {
    serde_json::to_string(document).map_err(|error| crate::Failure::internal(format!("cannot write JSON: {error}")))
}

#[cfg(test)]
mod tests;
