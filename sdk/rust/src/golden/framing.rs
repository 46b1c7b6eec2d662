//! Cuts recorded streams into events, as the host does it with live ones.

use crate::Event;

/// The events of a `text/event-stream`, by the rules of the HTML standard.
pub(super) fn server_sent_events(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let mut name = String::new();
    let mut data: Vec<&str> = Vec::new();
    for line in text.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    events.push(Event { name: std::mem::take(&mut name), data: data.join("\n") });
                }
                name.clear();
                data.clear();
            }
            "event" => value.clone_into(&mut name),
            "data" => data.push(value),
            _ => {}
        }
    }
    events
}

/// One event for each line that is not blank.
pub(super) fn lines(text: &str) -> Vec<Event> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| Event { name: String::new(), data: line.to_owned() }).collect()
}
