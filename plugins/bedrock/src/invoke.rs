//! Amazon's own models by `InvokeModel`: what they take and give is Converse's, but for a few names and places.

use weir_plugin::bedrock;
use weir_plugin::json;
use weir_plugin::openai::take_fields;
use weir_plugin::serde_json::{self, Map, Value};
use weir_plugin::{Event, Failure};

use crate::encode::{MODEL_FIELDS, given, insert};
use crate::family::Family;
use crate::settings::{Api, Settings};

/// Whether a model is asked in this way. The forms of other makers' models are not known here.
pub fn applies(settings: &Settings, family: Family) -> bool {
    settings.api == Api::Invoke && matches!(family, Family::Nova | Family::Nova2)
}

/// Everything of a request that is neither conversation nor tools, from Converse's form to the models' own. Also the
/// names of what only Converse has.
pub fn adapted(mut rest: Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let mut body: Map<String, Value> = [("schemaVersion".to_owned(), "messages-v1".into())].into_iter().collect();
    let mut of_model = given(&mut rest, MODEL_FIELDS);
    let mut config = given(&mut rest, "inferenceConfig");
    config.extend(given(&mut of_model, "inferenceConfig"));
    let renamed = take_fields(&mut config, "maxTokens:max_new_tokens topP:top_p topK:top_k");
    config.extend(renamed);
    insert(&mut body, "inferenceConfig", config);
    body.extend(of_model);
    let dropped = rest.keys().map(|name| match name.as_str() {
        "outputConfig" => "response_format".to_owned(),
        "serviceTier" => "service_tier".to_owned(),
        other => other.to_owned(),
    });
    (body, dropped.collect())
}

/// The events of Converse in a frame of a stream, each under its name. Measurements may stand beside them.
pub fn events(frame: &Event) -> Result<Vec<Event>, Failure> {
    let Some(Event { data, .. }) = bedrock::unwrap(frame)? else { return Ok(Vec::new()) };
    let events: Map<String, Value> = serde_json::from_str(&data)
        .map_err(|_| Failure::bad_answer("The provider sent an event that cannot be read."))?;
    Ok(events.into_iter().map(|(name, data)| Event { name, data: json::to_text(&data) }).collect())
}
