//! Weir, an LLM gateway: clients speak the OpenAI API to it, it speaks each upstream's own API, and everything that is
//! an opinion is a WebAssembly component in a sandbox.
//!
//! This crate is the host: sockets, TLS, secrets, deadlines, retries, limits and records. It names no provider; those
//! are plugins (`plugins/` in the repository), written against the contract in `wit/`. ARCHITECTURE.md is the map.
//! Start with [`pipeline`], which tells the life of a request.

pub mod api;
pub mod chat;
pub mod config;
pub mod dialect;
pub mod embeddings;
pub mod error;
pub mod pipeline;
pub mod plugin;
pub mod server;
pub mod standing;
pub mod telemetry;
pub mod upstream;
