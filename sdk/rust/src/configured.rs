//! What a component makes of its settings, once for each instance.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;

use crate::Failure;

/// The provider or policy of this instance, once it has its settings.
#[doc(hidden)]
pub struct Configured<P>(OnceCell<P>);

impl<P> Configured<P> {
    /// Not yet configured.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it stands in a static, which needs a constant function")]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Makes it of its settings as JSON.
    pub fn configure<S: DeserializeOwned>(
        &self,
        settings: &str,
        make: impl FnOnce(S) -> Result<P, Failure>,
    ) -> Result<(), Failure> {
        let settings = serde_json::from_str(settings)
            .map_err(|error| Failure::invalid_request(format!("the settings do not fit: {error}")))?;
        self.0.set(make(settings)?).map_err(|_| Failure::internal("configured twice"))
    }

    /// It, or a failure if the host broke the contract.
    pub fn get(&self) -> Result<&P, Failure> {
        self.0.get().ok_or_else(|| Failure::internal("called before configure"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_taken_once_and_before_anything_else() {
        let configured = Configured::new();
        assert!(configured.get().is_err());
        assert!(configured.configure("\"text\"", Ok::<u32, Failure>).is_err());
        assert_eq!(configured.configure("7", Ok::<u32, Failure>).ok(), Some(()));
        assert_eq!(configured.get().ok(), Some(&7));
        assert!(configured.configure("8", Ok::<u32, Failure>).is_err());
    }
}
