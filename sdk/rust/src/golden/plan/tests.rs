//! The harness itself: it must notice what it is there to notice.

use super::{odd, rules};
use crate::Failure;
use crate::routing::{Attempt, Candidate, Descriptor, Policy, Request, Targets, by_rank};

#[test]
fn a_plan_that_the_host_cannot_carry_out_is_refused() {
    let hedge = Attempt { hedge_ms: Some(0), ..Attempt::at(0) };
    let cases = [
        (Ok(vec![Attempt::at(1), Attempt::at(0), Attempt::at(1)]), None),
        (Err(Failure::invalid_request("no")), None),
        (Ok(vec![]), Some("the plan is empty")),
        (Ok(vec![Attempt::at(2)]), Some("a candidate that there is not")),
        (Ok(vec![hedge]), Some("leaves no time")),
        (Err(Failure::invalid_request("")), Some("says nothing")),
    ];
    for (plan, expected) in cases {
        let problem = rules::plan(&plan, 2).err();
        assert_eq!(problem.is_some(), expected.is_some(), "{plan:?}");
        assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{plan:?}");
    }
}

#[test]
fn a_schema_that_lets_typing_errors_through_is_refused() {
    let named = Descriptor { name: "x".to_owned(), ..Descriptor::default() };
    assert_eq!(rules::descriptor(&named), Ok(()));
    assert!(rules::descriptor(&Descriptor::default()).is_err());
    let open = Descriptor { settings_schema: r#"{"type":"object"}"#.to_owned(), ..named };
    assert!(rules::descriptor(&open).is_err());
}

/// Is wrong in one way that only odd figures show.
struct Wrong(fn(&[Candidate]) -> Vec<Attempt>);

impl Policy for Wrong {
    type Settings = ();

    fn describe() -> Descriptor {
        Descriptor::default()
    }

    fn new((): (), _: Targets) -> Result<Self, Failure> {
        Ok(Self(|_| Vec::new()))
    }

    fn plan(&self, _: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        Ok((self.0)(candidates))
    }
}

#[test]
fn a_policy_that_trusts_its_figures_is_found_out() {
    let request = Request::default();
    let candidates = [Candidate::default(), Candidate { target: 1, ..Candidate::default() }];
    let found = |plan| odd::mistreat(&Wrong(plan), "case", &request, &candidates).unwrap_err();
    let problem = found(|candidates| {
        let best = candidates.iter().min_by(|left, right| left.error_rate.partial_cmp(&right.error_rate).unwrap());
        vec![Attempt::at(best.map_or(0, |_| 0))]
    });
    assert!(problem.starts_with("it panics"), "{problem}");
    let problem = found(|candidates| {
        let good = candidates.iter().filter(|candidate| candidate.cooldown_ms == 0);
        (0..).zip(good).map(|(place, _)| Attempt::at(place)).collect()
    });
    assert!(problem.starts_with("the plan is empty"), "{problem}");
    let careful = Wrong(|candidates| by_rank(&Request::default(), candidates, |_, rank| rank.score(f64::NAN)));
    assert_eq!(odd::mistreat(&careful, "case", &request, &candidates), Ok(()));
}
