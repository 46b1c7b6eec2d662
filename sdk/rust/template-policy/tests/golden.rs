//! The cases in `golden/`.

#[test]
fn every_golden_case_is_as_its_snapshot_says() {
    weir_plugin::golden::check_policy::<policy_template::Template>("golden");
}
