//! Decides what the demo replies with: a quotation, a tool call, or JSON of the form that was asked for.

use serde_json::Value;
use serde_json::value::RawValue;
use weir_plugin::Failure;
use weir_plugin::openai::{ChatRequest, Content, FunctionTool, Message, ToolChoice};

use crate::instance::instance;
use crate::words::excerpt;

/// How much of a message is quoted, in characters.
const QUOTED: usize = 240;

/// What the demo replies with.
#[derive(Debug)]
pub enum Reply {
    /// This text.
    Text(String),
    /// The call of a tool.
    Call {
        /// The tool's name.
        name: String,
        /// Its arguments: a JSON object.
        arguments: String,
    },
}

impl Reply {
    /// The reply to a request.
    pub fn to(request: &ChatRequest<'_>) -> Result<Self, Failure> {
        let last = request
            .messages()
            .last()
            .ok_or_else(|| Failure::invalid_field("messages", "The request has no messages: send at least one."))?;
        if matches!(last.role.as_deref(), Some("tool" | "function")) {
            return Ok(Self::Text(format!("The tool says: \"{}\"", excerpt(&said(last), QUOTED))));
        }
        if let Some(tool) = called(request)? {
            let name = tool.name.as_deref().unwrap_or_default().to_owned();
            return Ok(Self::Call { name, arguments: of_schema(tool.parameters.as_deref())? });
        }
        let quotation = quotation(request);
        let format = request.response_format.as_ref();
        match format.and_then(|format| format.kind.as_deref()) {
            Some("json_object") => Ok(Self::Text(serde_json::json!({ "answer": quotation }).to_string())),
            Some("json_schema") => {
                let schema = format.and_then(|format| format.json_schema.as_ref());
                of_schema(schema.and_then(|schema| schema.schema.as_deref())).map(Self::Text)
            }
            _ => Ok(Self::Text(quotation)),
        }
    }
}

fn quotation(request: &ChatRequest<'_>) -> String {
    let said = request.last_text("user");
    match said.trim() {
        "" => "This is Weir's demo provider. It has no model behind it.".to_owned(),
        said => format!("This is Weir's demo provider. You said: \"{}\"", excerpt(said, QUOTED)),
    }
}

/// The tool to call: the one that the request demands, or that the user speaks of by its name.
fn called<'r, 'a>(request: &'r ChatRequest<'a>) -> Result<Option<&'r FunctionTool<'a>>, Failure> {
    let mut tools: Vec<_> = request.tools().iter().filter_map(|tool| tool.function.as_ref()).collect();
    let mut mode = "auto";
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Text(text)) => mode = text,
        Some(ToolChoice::Named(named)) => {
            mode = "required";
            if let Some(allowed) = &named.allowed_tools {
                mode = allowed.mode.as_deref().unwrap_or("auto");
                let names: Vec<_> = allowed.tools.iter().flatten().filter_map(|tool| tool.tool_name()).collect();
                tools.retain(|tool| tool.name.as_deref().is_some_and(|name| names.contains(&name)));
            } else {
                tools.retain(|tool| tool.name.as_deref() == named.tool_name());
            }
            if tools.is_empty() {
                return Err(Failure::invalid_field("tool_choice", "The chosen tool is none of those in 'tools'."));
            }
        }
    }
    let said = request.last_text("user");
    let asked = |tool: &&&FunctionTool<'_>| tool.name.as_deref().is_some_and(|name| said.contains(name));
    Ok(match mode {
        "none" => None,
        "required" => tools.iter().find(asked).or(tools.first()).copied(),
        _ => tools.iter().find(asked).copied(),
    })
}

/// An instance of a schema that came with the request, as JSON text. Of no schema: an empty object.
fn of_schema(schema: Option<&RawValue>) -> Result<String, Failure> {
    let Some(schema) = schema else { return Ok("{}".to_owned()) };
    let schema: Value = serde_json::from_str(schema.get())
        .map_err(|error| Failure::invalid_request(format!("A schema of the request cannot be read: {error}.")))?;
    Ok(instance(&schema).to_string())
}

fn said<'m>(message: &'m Message<'_>) -> weir_plugin::openai::Text<'m> {
    message.content.as_ref().map(Content::joined).unwrap_or_default()
}
