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

/// The world of routing policies. What it has in common with that of providers is made once, above, so that a failure
/// is the same type in both. A component exports the world whose macro it uses, and nothing of the other.
pub mod routing {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "routing-plugin",
        pub_export_macro: true,
        export_macro_name: "export_routing_bindings",
        default_bindings_module: "weir_plugin::bindings::routing",
        with: {
            "weir:plugin/types@0.1.0": crate::bindings::weir::plugin::types,
            "weir:plugin/log@0.1.0": crate::bindings::weir::plugin::log,
            "weir:plugin/kv@0.1.0": crate::bindings::weir::plugin::kv,
        },
    });
}
