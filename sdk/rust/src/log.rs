//! Lines in the gateway's own log. See `wit/log.wit` for what the host does with them.

use crate::bindings::weir::plugin::log::{self, Level};

/// Of interest to the plugin's author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Of interest to the operator, once.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Something is off, and the plugin copes.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Something failed that an operator should look at.
pub fn error(message: &str) {
    write(Level::Error, message);
}

fn write(level: Level, message: &str) {
    // Outside a component there is no host to write to: native golden tests print instead.
    if cfg!(target_arch = "wasm32") {
        log::write(level, message);
    } else {
        eprintln!("{level:?}: {message}");
    }
}
