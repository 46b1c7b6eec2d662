//! Single values from the environment: `WEIR_LISTEN`, `WEIR_LIMITS__BODY_BYTES`. `__` goes one level down.
//!
//! They are written into the tree before it is read, and win over the file; a name that leads nowhere is then reported
//! like an unknown key of the file. Elements of lists cannot be set so: a file can use `${NAME}` there. Where a list of
//! texts is wanted, the variable holds it with commas between. An empty variable counts as not set.
//!
//! Three names are no paths: `WEIR_CONFIG` (the file itself; read by the command line), `WEIR_LOG` (short for
//! `WEIR_LOG__LEVEL`) and `WEIR_KEY` (a client key named `default`).

use super::Environment;
use super::document::{Entry, Node, Scalar, Value};
use super::errors::{Origin, Problems};

const PREFIX: &str = "WEIR_";

/// The name of the key that `WEIR_KEY` sets.
const DEFAULT_KEY: &str = "default";

/// Writes the variables into the tree.
pub(super) fn apply(root: &mut Node, environment: &Environment, problems: &mut Problems) {
    for (name, value) in environment.iter() {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        if value.is_empty() || is_service_link(name) {
            continue;
        }
        let node = from_variable(name, value);
        match path {
            "CONFIG" => {}
            "KEY" => set_default_key(root, node),
            "LOG" => set(root, &["log", "level"], node, problems),
            _ => {
                let path = path.to_ascii_lowercase();
                set(root, &path.split("__").collect::<Vec<_>>(), node, problems);
            }
        }
    }
}

/// Kubernetes puts the address of each service into the environment of every container (`WEIR_PORT=tcp://...` for a
/// service named `weir`). They are not meant for us, and must not keep Weir from starting next to its own service.
fn is_service_link(name: &str) -> bool {
    // `__` is ours: the name of a service gives single underscores.
    if name.contains("__") {
        return false;
    }
    let port = name.find("_PORT").map(|start| &name[start + "_PORT".len()..]);
    name.ends_with("_SERVICE_HOST") || port.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn from_variable(name: &str, value: &str) -> Node {
    let scalar = Scalar { text: value.to_owned(), quoted: false, variable: Some(name.to_owned()) };
    Node { origin: Origin::Environment(name.to_owned()), value: Value::Scalar(scalar) }
}

fn set(node: &mut Node, path: &[&str], value: Node, problems: &mut Problems) {
    let Some((key, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if node.is_nothing() {
        node.value = Value::Map(Vec::new());
    }
    match &mut node.value {
        Value::Map(entries) => set(entry(entries, key, &value.origin), rest, value, problems),
        Value::List(_) => problems.report(
            &value.origin,
            "leads into a list; a variable sets single values, in a list the file can use `${NAME}`",
        ),
        Value::Scalar(_) => problems.report(
            &value.origin,
            format!("`{key}` would be inside of a single value; `__` goes one level down, `_` is part of a name"),
        ),
    }
}

/// The value under this key, made if need be.
fn entry<'a>(entries: &'a mut Vec<Entry>, key: &str, origin: &Origin) -> &'a mut Node {
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let node = Node { origin: origin.clone(), value: Value::Map(Vec::new()) };
        entries.push(Entry { key: key.to_owned(), origin: origin.clone(), node });
        entries.len() - 1
    });
    &mut entries[index].node
}

/// `WEIR_KEY`: the secret of the key named `default`, unless the file uses the same secret under another name.
fn set_default_key(root: &mut Node, secret: Node) {
    let Value::Map(entries) = &mut root.value else { return };
    let keys = entry(entries, "keys", &secret.origin);
    if matches!(&keys.value, Value::Map(entries) if entries.is_empty()) || keys.is_nothing() {
        keys.value = Value::List(Vec::new());
    }
    // Something else than a list is reported when it is read.
    let Value::List(keys) = &mut keys.value else { return };
    if keys.iter().any(|key| text(key, "key").is_some() && text(key, "key") == scalar_text(&secret)) {
        return;
    }
    keys.retain(|key| text(key, "name") != Some(DEFAULT_KEY));
    let origin = secret.origin.clone();
    let name = Scalar { text: DEFAULT_KEY.to_owned(), quoted: true, variable: None };
    let name = Node { origin: origin.clone(), value: Value::Scalar(name) };
    let pair = [("name", name), ("key", secret)].map(|(key, node)| Entry {
        key: key.to_owned(),
        origin: origin.clone(),
        node,
    });
    keys.push(Node { origin, value: Value::Map(pair.into()) });
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).and_then(|entry| scalar_text(&entry.node))
}

fn scalar_text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_service_link;

    #[test]
    fn the_variables_of_a_kubernetes_service_are_told_from_ours() {
        for (name, expected) in [
            ("WEIR_SERVICE_HOST", true),
            ("WEIR_SERVICE_PORT", true),
            ("WEIR_SERVICE_PORT_HTTP", true),
            ("WEIR_PORT", true),
            ("WEIR_PORT_8080_TCP_ADDR", true),
            ("WEIR_ADMIN_PORT_9090_TCP", true),
            ("WEIR_LISTEN", false),
            ("WEIR_LIMITS__BODY_BYTES", false),
            ("WEIR_LISTEN__PORT", false),
        ] {
            assert_eq!(is_service_link(name), expected, "{name}");
        }
    }
}
