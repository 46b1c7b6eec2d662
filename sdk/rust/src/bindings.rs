//! What `wit-bindgen` makes of `wit/`. Use the types through the crate's root.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "provider-plugin",
    pub_export_macro: true,
    export_macro_name: "export_bindings",
    default_bindings_module: "weir_plugin::bindings",
});
