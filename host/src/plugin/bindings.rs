//! What `bindgen!` makes of `wit/`: a module for each world. They share the interfaces that both import.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

pub mod provider {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "provider-plugin",
        exports: { default: async },
    });
}

pub mod routing {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "routing-plugin",
        exports: { default: async },
        with: {
            "weir:plugin/types": super::provider::weir::plugin::types,
            "weir:plugin/log": super::provider::weir::plugin::log,
            "weir:plugin/kv": super::provider::weir::plugin::kv,
        },
    });
}

pub use provider::weir::plugin::types;
