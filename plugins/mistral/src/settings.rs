//! What an operator can set for a provider of this plugin. `README.md` holds the table.

weir_plugin::settings! {
    /// The `settings` object.
    pub struct Settings {
        /// What becomes of the thoughts of earlier turns: whether they go back to the model, or are left out.
        past_thoughts: PastThoughts,
    }
}

weir_plugin::choices! {
    /// What becomes of the thoughts of earlier turns (`reasoning_content`).
    pub enum PastThoughts {
        /// They go back to the model, which goes on from them.
        Send = "send",
        /// They are left out: for models that do not reason.
        Drop = "drop",
    }
}
