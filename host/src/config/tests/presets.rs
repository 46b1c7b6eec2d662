//! Presets: those that are built in, and what a config file makes of them.

use std::collections::BTreeMap;

use super::super::document::{Value, parse};
use super::super::errors::Problems;
use super::{VARIABLES, read};

#[test]
fn every_built_in_preset_makes_a_provider() {
    let mut problems = Problems::default();
    let presets = parse(include_str!("../presets.yaml"), "presets.yaml", &mut problems).unwrap();
    let Value::Map(presets) = presets.value else { panic!("not a mapping") };
    let documentation = include_str!("../../../../docs/configuration.md");
    assert!(presets.len() > 25);
    for preset in &presets {
        let name = &preset.key;
        assert!(documentation.contains(&format!("`{name}`")), "the documentation does not list {name}");
        let text = format!("providers: [{{ name: {name}, aws: {{ region: us-east-1 }}, api_key: \"${{SECRET}}\" }}]");
        let config = read(&text, &VARIABLES).unwrap_or_else(|errors| panic!("{errors}"));
        let provider = &config.providers[0];
        assert_eq!(provider.api_key.as_ref().unwrap().expose(), "sk-do-not-show-me");
        let needs_address = name.starts_with("azure-");
        assert_eq!(provider.base_url.is_none(), needs_address, "{name}");
        let url = provider.base_url.as_ref().map_or_else(String::new, ToString::to_string);
        let is_local = url.starts_with("http://127.0.0.1");
        assert!(is_local == provider.optional && (is_local || needs_address || url.starts_with("https://")), "{url}");
    }
}

#[test]
fn a_provider_uses_the_preset_that_it_names_or_whose_name_it_has() {
    let text = r#"
presets:
  house:
    plugin: openai
    base_url: https://llm.example.com/v1
    headers: { x-team: blue, x-from: preset }
    settings: { drop_parameters: [user], stream_usage: never }
    timeouts: { idle: 5s, total: 50s }
    models: [one]
    operations: [chat]
    known_models: [{ id: two, context_window: 10, prices: { input: 1 } }]
  groq: { base_url: "https://proxy.example.com/groq" }
providers:
  - { name: a, preset: house }
  - { name: house, headers: { x-from: provider }, settings: { stream_usage: auto }, timeouts: { idle: 7s }, operations: ~,
      models: [{ id: two, context_window: 20 }, three] }
  - { name: b, preset: openrouter, base_url: "https://eu.openrouter.ai/api/v1" }
  - { name: groq }
  - { name: xai, plugin: other }
  - { name: mistral, plugin: other, preset: mistral }
  - { name: bedrock, aws: { region: eu-west-1 } , api_key: "${SECRET}" }
  - { name: nothing }
"#;
    let config = read(text, &VARIABLES).unwrap_or_else(|errors| panic!("{errors}"));
    let urls: BTreeMap<_, _> = config
        .providers
        .iter()
        .map(|provider| {
            let url = provider.base_url.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            (provider.name.as_str(), format!("{} {url}", provider.plugin))
        })
        .collect();
    let expected = [
        ("a", "openai https://llm.example.com/v1"),
        ("b", "openai https://eu.openrouter.ai/api/v1"),
        ("bedrock", "bedrock https://bedrock-runtime.eu-west-1.amazonaws.com/"),
        ("groq", "groq https://proxy.example.com/groq"),
        ("house", "openai https://llm.example.com/v1"),
        ("mistral", "other https://api.mistral.ai/v1"),
        ("nothing", "nothing -"),
        ("xai", "other -"),
    ];
    assert_eq!(urls, expected.map(|(name, url)| (name, url.to_owned())).into());

    let (a, house) = (&config.providers[0], &config.providers[1]);
    assert_eq!(a.settings.to_string(), r#"{"drop_parameters":["user"],"stream_usage":"never"}"#);
    assert_eq!(house.settings.to_string(), r#"{"stream_usage":"auto","drop_parameters":["user"]}"#);
    let headers: Vec<_> = house.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("x-from", "provider"), ("x-team", "blue")]);
    assert_eq!((house.timeouts.idle.as_secs(), house.timeouts.total.as_secs()), (7, 50));
    assert_eq!((a.models.len(), a.discover, a.operations.as_ref().map(Vec::len)), (1, false, Some(1)));
    // What is known of a model fills in what the list does not say of it.
    let [two, three] = house.models.as_slice() else { panic!("{:?}", house.models) };
    assert_eq!((two.context_window, two.prices.map(|prices| prices.input)), (Some(20), Some(1.0)));
    assert_eq!((three.id.as_str(), three.context_window), ("three", None));
    assert_eq!(a.facts("two").and_then(|two| two.context_window), Some(10));
    assert_eq!(a.place.to_string(), "folder/weir.yaml:14:5");
}
