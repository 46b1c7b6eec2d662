//! What `bindgen!` makes of `wit/`.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "provider-plugin",
    exports: { default: async },
});
