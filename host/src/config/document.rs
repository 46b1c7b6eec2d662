//! The file as a tree: every value keeps the place where it was written, and every scalar its text.
//!
//! What a scalar means is decided by whoever reads it (`fields`), because a text that came from the environment is to
//! be a number where a number is due. Anchors, aliases and merge keys (`<<`) are resolved here, within a bound.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};

use super::errors::{Errors, Origin, Problems};

/// The largest file that is read, in bytes.
pub(super) const LARGEST_FILE: usize = 1024 * 1024;

/// How deep lists and mappings may nest. A configuration needs about 6; plugin settings may need some more.
const DEEPEST: usize = 64;

/// How many values there may be once aliases are written out, so that ten lines of YAML cannot become a gigabyte.
const MOST_NODES: usize = 100_000;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// What stands in a document.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

impl Value {
    /// A text that stands in no document.
    pub(super) fn text(text: &str) -> Self {
        Self::Scalar(Scalar { text: text.to_owned(), quoted: true, variable: None })
    }
}

/// A key and its value, in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

/// A single value, as text.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written in quotes (or as a block): a text, whatever it looks like.
    pub(super) quoted: bool,
    /// The environment variable that (part of) the text came from. Such a text is never shown in a message.
    pub(super) variable: Option<String>,
}

/// What a scalar is by itself, by the rules of YAML's core schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Nothing,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text,
}

impl Scalar {
    /// What this is by itself. A value from the environment that is empty is nothing, quoted or not: it stands for a
    /// variable that is not set.
    pub(super) fn kind(&self) -> Kind {
        if self.text.is_empty() && self.variable.is_some() {
            Kind::Nothing
        } else if self.quoted {
            Kind::Text
        } else {
            plain_kind(&self.text)
        }
    }

    /// A stand-in for a value that could not be had, which was reported already: it counts as not given.
    pub(super) fn reported() -> Self {
        Self { text: String::new(), quoted: true, variable: Some(String::new()) }
    }

    /// Whether this is such a stand-in.
    pub(super) fn is_reported(&self) -> bool {
        self.text.is_empty() && self.variable.as_deref() == Some("")
    }

    /// What this is where something else than a text is wanted: `"${PORT}"` may be a number, `"8080"` may not.
    pub(super) fn wanted_kind(&self) -> Kind {
        if self.variable.is_some() { plain_kind(&self.text) } else { self.kind() }
    }
}

fn plain_kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Nothing,
        "true" | "True" | "TRUE" => return Kind::Boolean(true),
        "false" | "False" | "FALSE" => return Kind::Boolean(false),
        _ => {}
    }
    let number_like = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE_".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    if !number_like {
        return Kind::Text;
    }
    // `10_000` is no number in YAML 1.2, but it is what people write and can mean nothing else.
    let digits = text.replace('_', "");
    match (digits.parse(), digits.parse::<f64>()) {
        (Ok(integer), _) => Kind::Integer(integer),
        (_, Ok(float)) if float.is_finite() => Kind::Float(float),
        _ => Kind::Text,
    }
}

impl Node {
    /// Whether this stands for "not given".
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind() == Kind::Nothing)
    }

    /// For messages: what this is, in words.
    pub(super) fn describe(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Nothing => "nothing",
                Kind::Boolean(_) => "true or false",
                Kind::Integer(_) | Kind::Float(_) => "a number",
                Kind::Text => "text",
            },
        }
    }

    /// As JSON, for settings that only a plugin understands.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Nothing => Json::Null,
                Kind::Boolean(boolean) => Json::Bool(boolean),
                Kind::Integer(integer) => Json::from(integer),
                Kind::Float(float) => Json::from(float),
                Kind::Text => Json::String(scalar.text.clone()),
            },
        }
    }
}

/// Reads a document. `name` is how messages call it.
///
/// # Errors
/// What is wrong with it as YAML: one error, as nothing after it can be trusted. Problems that leave the tree whole
/// (duplicate keys) go to `problems`.
pub(super) fn parse(text: &str, name: &str, problems: &mut Problems) -> Result<Node, Errors> {
    let name: Arc<str> = Arc::from(name);
    if text.len() > LARGEST_FILE {
        return Err(Errors::one(Origin::File(name), format!("is larger than {LARGEST_FILE} bytes")));
    }
    // The parser takes a NUL for the end of the file and would drop the rest in silence.
    if let Some(end) = text.find('\0') {
        let line = text[..end].matches('\n').count() + 1;
        return Err(Errors::one(Origin::Place { file: name, line, column: 1 }, "not YAML: holds a NUL character"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { parser: Parser::new_from_str(text), name, anchors: HashMap::new(), nodes: 0, problems };
    builder.document()
}

/// Turns the parser's events into nodes.
struct Builder<'input, 'problems> {
    parser: Parser<'input, StrInput<'input>>,
    name: Arc<str>,
    anchors: HashMap<usize, Node>,
    /// How many nodes there are so far, aliases written out.
    nodes: usize,
    problems: &'problems mut Problems,
}

impl<'input> Builder<'input, '_> {
    fn document(&mut self) -> Result<Node, Errors> {
        let mut root = None;
        loop {
            let (event, origin) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Errors::one(origin, "a second document starts here: a file holds one"));
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, origin, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node { origin: Origin::File(self.name.clone()), value: Value::Map(Vec::new()) }))
    }

    fn node(&mut self, event: Event<'input>, origin: Origin, depth: usize) -> Result<Node, Errors> {
        if depth > DEEPEST {
            return Err(Errors::one(origin, format!("nested more than {DEEPEST} levels deep")));
        }
        self.count(1, &origin)?;
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.alias(anchor, &origin, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let forced = is_text_tag(tag.as_deref(), &origin)?;
                let quoted = forced || style != ScalarStyle::Plain;
                (anchor, Value::Scalar(Scalar { text: text.into_owned(), quoted, variable: None }))
            }
            Event::SequenceStart(anchor, tag) => {
                is_text_tag(tag.as_deref(), &origin)?;
                (anchor, Value::List(self.list(depth)?))
            }
            Event::MappingStart(anchor, tag) => {
                is_text_tag(tag.as_deref(), &origin)?;
                (anchor, Value::Map(self.map(depth)?))
            }
            _ => return Err(Errors::one(origin, "a value is missing")),
        };
        let node = Node { origin, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, origin: &Origin, depth: usize) -> Result<Node, Errors> {
        // The anchor is unknown while its own value is still being read: `a: &x [*x]`.
        let node = self.anchors.get(&anchor).cloned();
        let node = node.ok_or_else(|| Errors::one(origin.clone(), "an alias cannot stand inside its own anchor"))?;
        let (nodes, levels) = measure(&node);
        self.count(nodes, origin)?;
        if depth + levels > DEEPEST {
            return Err(Errors::one(origin.clone(), format!("nested more than {DEEPEST} levels deep")));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Errors> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, origin) => items.push(self.node(event, origin, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Errors> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        loop {
            let (event, origin) = self.next()?;
            let (key, plain) = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, style, ..) => (key.into_owned(), style == ScalarStyle::Plain),
                _ => return Err(Errors::one(origin, "a key has to be a single word or text")),
            };
            let (event, value_origin) = self.next()?;
            let node = self.node(event, value_origin, depth + 1)?;
            if key == "<<" && plain {
                merged.extend(merge_entries(node)?);
            } else if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("duplicate key `{key}`; the first one is at {}", first.origin);
                self.problems.report(&origin, message);
            } else {
                entries.push(Entry { key, origin, node });
            }
        }
        for entry in merged {
            // What is written out wins over what is merged in, and the first merged over the later ones.
            if entries.iter().all(|own| own.key != entry.key) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn next(&mut self) -> Result<(Event<'input>, Origin), Errors> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place(&span.start))),
            Some(Err(error)) => Err(Errors::one(self.place(error.marker()), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Origin::File(self.name.clone()))),
        }
    }

    fn place(&self, marker: &Marker) -> Origin {
        Origin::Place { file: self.name.clone(), line: marker.line(), column: marker.col() + 1 }
    }

    fn count(&mut self, nodes: usize, origin: &Origin) -> Result<(), Errors> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err(Errors::one(origin.clone(), format!("more than {MOST_NODES} values, aliases written out")));
        }
        Ok(())
    }
}

/// How many nodes there are in this one, and how many levels.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.value {
        Value::Scalar(_) => return (1, 0),
        Value::List(items) => items.iter().collect(),
        Value::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
    };
    let (nodes, levels) = children
        .into_iter()
        .map(measure)
        .fold((0, 0), |(nodes, levels), (more, deep)| (nodes + more, levels.max(deep)));
    (nodes + 1, levels + 1)
}

/// The entries that `<<: *defaults` or `<<: [*one, *two]` brings in.
fn merge_entries(node: Node) -> Result<Vec<Entry>, Errors> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::List(items) => {
            Ok(items.into_iter().map(merge_entries).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        Value::Scalar(_) => Err(Errors::one(node.origin, "`<<` merges a mapping: write `<<: *name_of_an_anchor`")),
    }
}

/// Whether the tag says "this is a text". Tags other than those of plain YAML mean nothing here and are refused.
fn is_text_tag(tag: Option<&Tag>, origin: &Origin) -> Result<bool, Errors> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
        Some(tag) => Err(Errors::one(origin.clone(), format!("the tag `{tag}` means nothing here"))),
    }
}
