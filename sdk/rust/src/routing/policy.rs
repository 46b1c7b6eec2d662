//! The trait that a policy implements, and the macro that makes a component of it.

use serde::de::DeserializeOwned;

use super::{Attempt, Candidate, Descriptor, Outcome, Request, Targets};
use crate::Failure;

/// A way to choose among the targets of one configured model name.
///
/// The host makes an instance of the component, calls [`Policy::new`] once and then the others in any order and number,
/// for different requests. Nothing that a call leaves behind may matter to a later one: what has to be remembered goes
/// through [`crate::kv`].
pub trait Policy: Sized + 'static {
    /// The `settings` object of the model's policy.
    type Settings: DeserializeOwned;

    /// Says what the policy is. Called once at load.
    fn describe() -> Descriptor;

    /// Takes the settings, already valid against the descriptor's schema, and the model's targets in the order of the
    /// configuration. An error refuses the configuration: the place for what a schema cannot say.
    fn new(settings: Self::Settings, targets: Targets) -> Result<Self, Failure>;

    /// Plans a request: on the path of each one, so it has to be quick. The same request and candidates always give
    /// the same plan; chance comes from [`Request::entropy`]. An empty plan is a fault, a failure refuses the request.
    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure>;

    /// Hears how attempts ended, many at once and some time later, if [`Descriptor::wants_outcomes`].
    fn observe(&self, _outcomes: &[Outcome]) {}
}

/// Makes the component of a type that implements [`Policy`](crate::routing::Policy):
/// `weir_plugin::export_policy!(Cheapest);`
///
/// On targets other than Wasm it makes nothing, so that the same crate runs its tests natively.
#[macro_export]
macro_rules! export_policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        mod weir_component {
            use super::*;
            use $crate::bindings::routing::exports::weir::plugin::routing as contract;

            thread_local! {
                static CONFIGURED: $crate::Configured<$policy> = const { $crate::Configured::new() };
            }

            struct Component;

            impl contract::Guest for Component {
                fn describe() -> contract::Descriptor {
                    <$policy as $crate::routing::Policy>::describe()
                }

                fn configure(settings: String, targets: Vec<contract::Target>) -> Result<(), $crate::Failure> {
                    CONFIGURED.with(|configured| {
                        configured.configure(&settings, |settings| {
                            <$policy as $crate::routing::Policy>::new(settings, targets.into())
                        })
                    })
                }

                fn plan(
                    request: contract::Request,
                    candidates: Vec<contract::Candidate>,
                ) -> Result<Vec<contract::Attempt>, $crate::Failure> {
                    CONFIGURED.with(|configured| {
                        $crate::routing::Policy::plan(configured.get()?, &request, &candidates)
                    })
                }

                fn observe(outcomes: Vec<contract::Outcome>) {
                    CONFIGURED.with(|configured| {
                        if let Ok(policy) = configured.get() {
                            $crate::routing::Policy::observe(policy, &outcomes);
                        }
                    })
                }
            }

            $crate::bindings::routing::export_routing_bindings!(Component with_types_in $crate::bindings::routing);
        }
    };
}
