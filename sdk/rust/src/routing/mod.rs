//! Policies: which targets serve a request, in which order, and how long each may take.
//!
//! Implement [`Policy`] and hand the type to [`export_policy!`](crate::export_policy). Most policies are one question,
//! how good is this candidate for this request, and [`by_rank`] makes a plan of the answers:
//!
//! ```
//! use weir_plugin::Failure;
//! use weir_plugin::routing::{Attempt, Candidate, Descriptor, Policy, Request, Targets, by_rank};
//!
//! /// The one with the fewest failures first.
//! struct Reliable;
//!
//! impl Policy for Reliable {
//!     type Settings = weir_plugin::serde_json::Value;
//!
//!     fn describe() -> Descriptor {
//!         Descriptor { name: "reliable".to_owned(), ..Descriptor::default() }
//!     }
//!
//!     fn new(_: Self::Settings, _: Targets) -> Result<Self, Failure> {
//!         Ok(Self)
//!     }
//!
//!     fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
//!         Ok(by_rank(request, candidates, |candidate, rank| rank.score(candidate.failing())))
//!     }
//! }
//! # let candidates = [Candidate { error_rate: 0.5, ..Candidate::default() }, Candidate::default()];
//! # let plan = Reliable.plan(&Request::default(), &candidates).unwrap();
//! # assert_eq!(plan[0].candidate, 1);
//! ```
//!
//! `docs/writing-a-policy.md` walks through one; [`crate::golden::check_policy`] tests it. The contract is
//! `wit/routing.wit`, whose records are re-exported here.

mod candidate;
mod defaults;
mod policy;
mod rank;
mod request;
mod targets;

pub use crate::bindings::routing::exports::weir::plugin::routing::{
    Attempt, Breaker, Candidate, Descriptor, Entry, Health, Outcome, Prices, Request, Target,
};
pub use candidate::Standing;
pub use policy::Policy;
pub use rank::{Preference, Rank, by_rank, followed, share};
pub use targets::{PerTarget, Targets};
