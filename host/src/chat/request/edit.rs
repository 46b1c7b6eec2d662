//! Changing single top-level fields of a document without parsing it.

use std::ops::Range;

use bytes::Bytes;

use super::Peek;

/// A change to one top-level field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit<'a> {
    /// The field's name.
    pub name: &'a str,
    /// Its new value as JSON, or `None` to remove the field.
    pub value: Option<&'a str>,
}

/// The body with the fields changed. Fields that are not there yet are appended; of two edits of one field the later
/// counts. If nothing changes, this is the same body, not a copy.
///
/// `peek` is what [`Peek::chat`] found in this body. The values must be JSON: check what comes from a plugin with
/// [`validate`](crate::chat::scan::validate) first.
pub fn edit(body: &Bytes, peek: &Peek, edits: &[Edit<'_>]) -> Bytes {
    let mut entries: Vec<Entry<'_>> = peek.fields.iter().map(|field| Entry::Kept(field.entry.clone())).collect();
    let mut changed = false;
    for (position, edit) in edits.iter().enumerate() {
        if edits[position + 1..].iter().any(|later| later.name == edit.name) {
            continue;
        }
        let place = peek.fields.iter().position(|field| field.name == edit.name);
        match (place, edit.value) {
            (Some(place), Some(value)) => {
                let field = &peek.fields[place];
                if &body[field.value.clone()] != value.as_bytes() {
                    entries[place] = Entry::Changed(field.entry.start..field.value.start, value);
                    changed = true;
                }
            }
            (Some(place), None) => {
                entries[place] = Entry::Removed;
                changed = true;
            }
            (None, Some(value)) => {
                entries.push(Entry::Appended(edit.name, value));
                changed = true;
            }
            (None, None) => {}
        }
    }
    if changed { join(body, &entries, edits) } else { body.clone() }
}

/// What becomes of a field.
enum Entry<'a> {
    /// It stays as it is.
    Kept(Range<usize>),
    /// Its name, and what is between name and value, stays.
    Changed(Range<usize>, &'a str),
    Removed,
    Appended(&'a str, &'a str),
}

/// Writes the object anew from its entries. White space between them is the only thing that is lost.
fn join(body: &[u8], entries: &[Entry<'_>], edits: &[Edit<'_>]) -> Bytes {
    let added: usize = edits.iter().map(|edit| edit.name.len() + edit.value.map_or(0, str::len) + 16).sum();
    let mut joined = Vec::with_capacity(body.len() + added);
    for entry in entries {
        if matches!(entry, Entry::Removed) {
            continue;
        }
        joined.push(if joined.is_empty() { b'{' } else { b',' });
        match entry {
            Entry::Kept(range) => joined.extend_from_slice(&body[range.clone()]),
            Entry::Changed(range, value) => {
                joined.extend_from_slice(&body[range.clone()]);
                joined.extend_from_slice(value.as_bytes());
            }
            Entry::Appended(name, value) => {
                joined.extend_from_slice(serde_json::Value::from(*name).to_string().as_bytes());
                joined.push(b':');
                joined.extend_from_slice(value.as_bytes());
            }
            Entry::Removed => {}
        }
    }
    if joined.is_empty() {
        joined.push(b'{');
    }
    joined.push(b'}');
    joined.into()
}
