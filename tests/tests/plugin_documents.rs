//! What a plugin's README says is held against what the plugin says of itself.

use std::path::Path;

use weir_tests::{guests, run};

/// The README of each plugin that comes with Weir names every setting, and has a table of what is supported.
#[tokio::test]
async fn every_readme_has_a_table_and_names_every_setting() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut checked = 0;
    for entry in std::fs::read_dir(&folder).expect("the plugins are there") {
        let folder = entry.expect("a folder can be listed").path();
        let name = folder.file_name().expect("a plugin has a name").to_string_lossy().into_owned();
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_else(|_| panic!("{name}: no README"));
        let tables = readme.lines().filter(|line| line.starts_with("|---")).count();
        assert!(tables >= 1, "{name}: no table of what is supported");

        let component = guests::built_plugins().join(format!("{name}.wasm"));
        let finished = run(&["plugin", "inspect", &component.to_string_lossy()], &[]).await;
        assert_eq!(finished.code, Some(0), "{name}: {}", finished.output);
        let (_, schema) = finished.output.split_once("settings ").expect("the settings are shown");
        let schema: serde_json::Value = serde_json::from_str(schema).expect("a schema is JSON");
        for setting in schema["properties"].as_object().into_iter().flatten().map(|(setting, _)| setting) {
            assert!(readme.contains(&format!("`{setting}`")), "{name}: the README lacks the setting `{setting}`");
        }
        checked += 1;
    }
    assert!(checked >= 16, "only {checked} plugins were checked");
}
