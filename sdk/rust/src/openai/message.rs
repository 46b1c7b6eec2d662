//! The messages of a conversation, as clients send them.

use super::Text;
use super::text::text_or;

crate::document! {
    /// One message of a conversation, of any role.
    pub struct Message<'a> {
        /// `system`, `developer`, `user`, `assistant`, `tool` or, from old clients, `function`.
        role: Text<'a>,
        /// What it says. Absent in an assistant's turn that only calls tools.
        content: Content<'a>,
        /// Tells apart several speakers of one role. With the role `function`: the function's name.
        name: Text<'a>,
        /// The calls that the assistant made in this turn.
        tool_calls: Vec<ToolCall<'a>>,
        /// With the role `tool`: the call that this is the result of.
        tool_call_id: Text<'a>,
        /// What the assistant said when it declined.
        refusal: Text<'a>,
        /// What the assistant thought, in the field that DeepSeek began and most servers share.
        reasoning_content: Text<'a>,
        /// The call that the assistant made in this turn, in the form before `tool_calls`.
        function_call: FunctionCall<'a>,
    }

    /// One part of a message's content. `kind` says which of the other fields to look at.
    pub struct Part<'a> {
        /// `text`, `image_url`, `input_audio`, `file`, `refusal`, or something that is not known here.
        kind = "type": Text<'a>,
        /// Of `text`.
        text: Text<'a>,
        /// Of `image_url`.
        image_url: ImageUrl<'a>,
        /// Of `input_audio`.
        input_audio: InputAudio<'a>,
        /// Of `file`.
        file: FileData<'a>,
        /// Of `refusal`.
        refusal: Text<'a>,
    }

    /// An image with options.
    pub struct Image<'a> {
        /// An `https:` or a `data:` URL.
        url: Text<'a>,
        /// `auto`, `low` or `high`.
        detail: Text<'a>,
    }

    /// A sound.
    pub struct InputAudio<'a> {
        /// The sound in base64.
        data: Text<'a>,
        /// `wav` or `mp3`.
        format: Text<'a>,
    }

    /// A file: uploaded before, or given here.
    pub struct FileData<'a> {
        /// The id of an uploaded file.
        file_id: Text<'a>,
        /// The file as a `data:` URL, or its content in base64.
        file_data: Text<'a>,
        /// The file's name.
        filename: Text<'a>,
    }

    /// A tool call that was made in an earlier turn, or in an answer.
    pub struct ToolCall<'a> {
        /// What the result refers to.
        id: Text<'a>,
        /// `function` or `custom`.
        kind = "type": Text<'a>,
        /// Of `function`.
        function: FunctionCall<'a>,
        /// Of `custom`.
        custom: CustomCall<'a>,
    }

    /// The call of a function.
    pub struct FunctionCall<'a> {
        /// The function's name.
        name: Text<'a>,
        /// Its arguments: a JSON object in a string. A model may have written something that is no JSON.
        arguments: Text<'a>,
    }

    /// The call of a custom tool.
    pub struct CustomCall<'a> {
        /// The tool's name.
        name: Text<'a>,
        /// Its input, which is free text.
        input: Text<'a>,
    }
}

text_or! {
    /// What a message says.
    pub enum Content {
        /// Plain text.
        Text,
        /// Text, images and other things in order.
        Parts(Vec<Part<'a>>) in seq,
    }

    /// An image of a message.
    pub enum ImageUrl {
        /// The URL alone, as some clients send it.
        Text,
        /// With options.
        Image(Image<'a>) in map,
    }
}

impl<'a> Content<'a> {
    /// All its text in one piece: the text as it is, or that of the text parts joined. Other parts are left out.
    pub fn joined(&self) -> Text<'_> {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Parts(parts) => {
                let mut texts = parts.iter().filter_map(|part| part.text.as_deref());
                match (texts.next(), texts.next()) {
                    (None, _) => "".into(),
                    (Some(only), None) => only.into(),
                    (Some(first), Some(second)) => [first, second].into_iter().chain(texts).collect::<String>().into(),
                }
            }
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }

    /// Plain text as content.
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text(text.into())
    }
}

impl ImageUrl<'_> {
    /// The URL, in whichever form it came. Empty if there is none.
    pub fn url(&self) -> &str {
        match self {
            Self::Text(url) => url,
            Self::Image(image) => image.url.as_deref().unwrap_or_default(),
        }
    }
}

impl<'a> ToolCall<'a> {
    /// A complete call of a function, with its arguments as JSON in a string.
    pub fn function(id: impl Into<Text<'a>>, name: impl Into<Text<'a>>, arguments: impl Into<Text<'a>>) -> Self {
        let function =
            FunctionCall { name: Some(name.into()), arguments: Some(arguments.into()), ..Default::default() };
        Self { id: Some(id.into()), kind: Some("function".into()), function: Some(function), ..Default::default() }
    }
}
