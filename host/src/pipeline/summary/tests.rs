//! What policies see of the same request in all dialects.

use hyper::header::HeaderValue;
use serde_json::{Value, json};

use super::*;

/// A picture of 300 kB, as it stands in a document.
fn picture() -> String {
    "iVBORw0KGgo".repeat(27_000)
}

fn shown(operation: Operation, body: &Value) -> RoutingRequest {
    let body = body.to_string();
    let peek = match operation {
        Operation::Chat => Peek::chat(body.as_bytes(), Some("m")),
        _ => Peek::other(body.as_bytes(), Some("m"), "messages"),
    };
    let (id, headers) = ("req_1".into(), HeaderMap::new());
    of(&Request { id, operation, body: body.into(), peek: peek.unwrap(), headers, key: None }, &[], true)
}

fn data_url() -> String {
    format!("data:image/png;base64,{}", picture())
}

/// One conversation in the words of each dialect that has conversations: a picture, a tool, a limit and a user.
fn conversations() -> [(Operation, Value); 4] {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let block = json!({ "type": "image",
        "source": { "type": "base64", "media_type": "image/png", "data": picture() } });
    let message = json!({
        "system": "Be brief.",
        "metadata": { "user_id": "ann" },
        "tools": [{ "name": "weather", "input_schema": schema }],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "What is in it?" }, block] },
            { "role": "assistant", "content": "A city." },
            { "role": "user", "content": [{ "type": "text", "text": "Which one?" }] },
        ],
    });
    let mut limited = message.clone();
    limited["max_tokens"] = json!(500);
    let function = json!({ "name": "weather", "parameters": schema });
    let chat = json!({
        "user": "ann",
        "max_tokens": 500,
        "tools": [{ "type": "function", "function": function }],
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "What is in it?" },
                { "type": "image_url", "image_url": { "url": data_url() } } ] },
            { "role": "assistant", "content": "A city." },
            { "role": "user", "content": "Which one?" },
        ],
    });
    let response = json!({
        "user": "ann",
        "instructions": "Be brief.",
        "max_output_tokens": 500,
        "tools": [{ "type": "function", "name": "weather", "parameters": schema }],
        "input": [
            { "role": "user", "content": [
                { "type": "input_text", "text": "What is in it?" },
                { "type": "input_image", "image_url": data_url() } ] },
            { "role": "assistant", "content": [{ "type": "output_text", "text": "A city." }] },
            { "role": "user", "content": "Which one?" },
        ],
    });
    [
        (Operation::Chat, chat),
        (Operation::Messages, limited),
        (Operation::CountTokens, message),
        (Operation::Responses, response),
    ]
}

#[test]
fn a_conversation_looks_the_same_in_every_dialect() {
    for (operation, body) in conversations() {
        let shown = shown(operation, &body);
        assert_eq!((shown.messages, shown.tools, shown.images), (4, 1, 1), "{operation:?}");
        assert_eq!(shown.user.as_deref(), Some("ann"), "{operation:?}");
        assert_eq!(shown.text.as_deref(), Some("Which one?"), "{operation:?}");
        let limit = (operation != Operation::CountTokens).then_some(500);
        assert_eq!(shown.answer_tokens, limit, "{operation:?}");
        // A picture has the tokens of a picture, however many bytes it takes.
        assert!((1_600..1_800).contains(&shown.prompt_tokens), "{operation:?}: {}", shown.prompt_tokens);
        assert!(shown.body_bytes > 290_000, "{operation:?}");
    }
}

#[test]
fn what_only_an_upstream_of_the_dialect_understands_hides_nothing_else() {
    for (operation, mut body) in conversations() {
        let (tool, store) = match operation {
            Operation::Responses => (json!({ "type": "web_search" }), "previous_response_id"),
            Operation::Messages => (json!({ "type": "web_search_20250305", "name": "web_search" }), "container"),
            _ => continue,
        };
        body["tools"].as_array_mut().unwrap().push(tool);
        body[store] = json!("of_the_upstream");
        let shown = shown(operation, &body);
        assert_eq!((shown.messages, shown.tools, shown.images), (4, 2, 1), "{operation:?}");
        assert_eq!((shown.user.as_deref(), shown.answer_tokens), (Some("ann"), Some(500)), "{operation:?}");
        assert!((1_600..1_800).contains(&shown.prompt_tokens), "{operation:?}: {}", shown.prompt_tokens);
    }
}

#[test]
fn prompts_and_inputs_are_read_where_there_is_no_conversation() {
    let long = "long words ".repeat(100);
    let cases = [
        (
            Operation::Completions,
            json!({ "prompt": "fn main", "max_tokens": 9, "user": "ann" }),
            2,
            Some("fn main"),
            Some(9),
        ),
        (Operation::Completions, json!({ "prompt": [long, "b"] }), 275, Some(""), None),
        (Operation::Completions, json!({ "prompt": [1, 2, 3] }), 3, None, None),
        (Operation::Embeddings, json!({ "input": "abcdefgh", "user": "ann" }), 2, Some("abcdefgh"), None),
        (Operation::Embeddings, json!({ "input": ["abcd", "efgh"] }), 1, Some("abcd\nefgh"), None),
        (Operation::Embeddings, json!({ "input": [[1, 2], [3]] }), 2, None, None),
        (Operation::Embeddings, json!({ "input": 7 }), 0, None, None),
    ];
    for (operation, body, tokens, text, limit) in cases {
        let shown = shown(operation, &body);
        assert_eq!((shown.prompt_tokens, shown.answer_tokens), (tokens, limit), "{body}");
        match text {
            Some("") => assert!(shown.text.is_some_and(|text| text.starts_with("long words")), "{body}"),
            text => assert_eq!(shown.text.as_deref(), text, "{body}"),
        }
        assert_eq!(shown.user.is_some(), body.get("user").is_some(), "{body}");
        assert_eq!((shown.messages, shown.images, shown.tools), (0, 0, 0), "{body}");
    }
}

#[test]
fn a_document_that_makes_no_sense_is_shown_by_its_size() {
    for operation in [Operation::Messages, Operation::CountTokens, Operation::Responses] {
        let body = json!({ "messages": "x".repeat(4_000), "input": 7, "user": "ann", "max_output_tokens": "many" });
        let shown = shown(operation, &body);
        assert_eq!((shown.messages, shown.answer_tokens, shown.text), (0, None, None), "{operation:?}");
        assert_eq!(shown.user.as_deref(), Some("ann"), "{operation:?}");
        assert_eq!(shown.prompt_tokens, shown.body_bytes / 4, "{operation:?}");
    }
}

#[test]
fn what_a_client_says_of_itself_is_limited() {
    let mut given = HeaderMap::new();
    given.append(TAGS, HeaderValue::from_static("a, ,b"));
    given.append(TAGS, HeaderValue::from_static("c"));
    given.append("x-team", HeaderValue::from_static("blue"));
    given.append("authorization", HeaderValue::from_static("Bearer secret"));
    assert_eq!(tags(&given), ["a", "b", "c"]);
    let names = |let_through: &[HeaderName]| -> Vec<String> {
        headers(&given, let_through).into_iter().map(|header| header.name).collect()
    };
    assert_eq!(names(&[]), ["x-weir-tags", "x-weir-tags"]);
    assert_eq!(names(&[HeaderName::from_static("x-team")]), ["x-weir-tags", "x-weir-tags", "x-team"]);
    for number in 0..100 {
        given.append(TAGS, HeaderValue::from(number));
    }
    assert_eq!((tags(&given).len(), headers(&given, &[]).len()), (MOST_TAGS, MOST_HEADERS));
}
