//! The cases in `golden/`, and what the README promises.

use weir_plugin::Provider;

#[test]
fn every_golden_case_is_as_its_snapshot_says() {
    weir_plugin::golden::check::<openai::OpenAi>("golden");
}

#[test]
fn the_readme_explains_every_setting() {
    let schema = <openai::OpenAi as Provider>::describe().settings_schema;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let readme = include_str!("../README.md");
    for name in schema["properties"].as_object().unwrap().keys() {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
