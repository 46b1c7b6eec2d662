//! A request to the upstream: the client's document with a few fields changed. The document itself is not parsed here
//! unless a field of it is needed, which its name in the text tells.

use serde::de::{Deserialize, Deserializer, MapAccess};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use weir_plugin::openai::{self, Document, push_json_string, read_document};
use weir_plugin::{Call, Failure, FieldEdit, Framing, Header, RequestBody, ResponseMode, UpstreamRequest};

use crate::settings::{Settings, StreamUsage};

/// A chat.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let mut headers = headers(settings, call);
    headers.push(Header { name: "content-type".to_owned(), value: "application/json".to_owned() });
    Ok(UpstreamRequest {
        method: "POST".to_owned(),
        path: path(&settings.chat_path, &call.model),
        headers,
        body: RequestBody::Forward(edits(settings, call, document)?),
        auth: settings.auth.to_contract(),
        framing: Framing::Sse,
        response: ResponseMode::Forward,
        carry: None,
    })
}

/// A question for the list of models.
pub fn models(settings: &Settings, call: &Call) -> UpstreamRequest {
    UpstreamRequest {
        method: "GET".to_owned(),
        path: settings.models_path.clone(),
        headers: headers(settings, call),
        body: RequestBody::None,
        auth: settings.auth.to_contract(),
        framing: Framing::Sse,
        response: ResponseMode::Decode,
        carry: None,
    }
}

/// The configured headers, and those of the client's that the operator lets through, which go first.
fn headers(settings: &Settings, call: &Call) -> Vec<Header> {
    let own = ["content-type", "content-length", "content-encoding"];
    let mut headers: Vec<_> = call.headers.iter().filter(|one| !own.contains(&one.name.as_str())).cloned().collect();
    for (name, value) in &settings.headers {
        if headers.iter().all(|header| header.name != *name) {
            headers.push(Header { name: name.clone(), value: value.clone() });
        }
    }
    headers
}

/// The path with the model in it, where it has a place for it.
fn path(template: &str, model: &str) -> String {
    match template.split_once("{model}") {
        None => template.to_owned(),
        Some((before, after)) => {
            let mut path = before.to_owned();
            for byte in model.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(byte.into()),
                    _ => path.push_str(&format!("%{byte:02X}")),
                }
            }
            path + after
        }
    }
}

fn edits(settings: &Settings, call: &Call, document: &str) -> Result<Vec<FieldEdit>, Failure> {
    let mut model = String::with_capacity(call.model.len() + 2);
    push_json_string(&mut model, &call.model);
    let mut edits = vec![edit("model", Some(model))];
    edits.extend(settings.drop_parameters.iter().map(|name| edit(name, None)));
    for (from, to) in &settings.rename_parameters {
        if let Some(value) = field(document, from)? {
            edits.push(edit(from, None));
            if value != "null" {
                edits.push(edit(to, Some(value.to_owned())));
            }
        }
    }
    let is_dropped = settings.drop_parameters.iter().any(|name| name == "stream_options");
    if call.stream && !call.include_usage && settings.stream_usage == StreamUsage::Auto && !is_dropped {
        edits.push(edit("stream_options", Some(with_usage(field(document, "stream_options")?)?)));
    }
    Ok(edits)
}

/// The client's `stream_options`, if any, with a demand for usage.
fn with_usage(options: Option<&str>) -> Result<String, Failure> {
    let mut options: Map<String, Value> = match options {
        None | Some("null") => Map::new(),
        Some(options) => serde_json::from_str(options)
            .map_err(|_| Failure::invalid_field("stream_options", "'stream_options' must be an object."))?,
    };
    options.insert("include_usage".to_owned(), true.into());
    openai::to_json(&options)
}

/// The value of a top-level field as it stands in the document.
fn field<'a>(document: &'a str, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut quoted = String::with_capacity(name.len() + 2);
    push_json_string(&mut quoted, name);
    if !document.contains(&quoted) {
        return Ok(None);
    }
    let not_json = |_| Failure::invalid_request("The request is not a JSON object.");
    let fields: Fields = serde_json::from_str(document).map_err(not_json)?;
    Ok(fields.0.into_iter().find(|(field, _)| field == name).map(|(_, value)| value.get()))
}

/// The fields of a document, their values as they stand there.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Document<'de> for Fields<'a> {
    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        self.0.push((key.to_owned(), map.next_value()?));
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_document(deserializer)
    }
}

fn edit(name: &str, value: Option<String>) -> FieldEdit {
    FieldEdit { name: name.to_owned(), value }
}
