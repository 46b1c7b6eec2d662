//! What an operator can set for a provider of this plugin, and what follows from it: paths and credentials.
//! `README.md` holds the table.

use serde_json::{Map, Value};
use weir_plugin::{Auth, Call, Failure, UpstreamRequest, choices, path_segments, settings};

settings! {
    /// The `settings` object. Without any the provider is the Gemini API; with a project it is Vertex AI.
    pub struct Settings {
        /// The project at Google Cloud.
        project: Option<String>,
        /// The location of Vertex AI: a region, or `global`.
        location: Option<String>,
        /// The API's version. `v1beta` of the Gemini API, `v1beta1` of Vertex AI if not set.
        api_version: Option<String>,
        /// How the credential is sent. `x-goog-api-key` to the Gemini API, `bearer` to Vertex AI if not set.
        auth: Option<Credential>,
        /// In which language schemas go upstream.
        schemas: Schemas,
        /// What `reasoning_effort` becomes.
        reasoning: Reasoning,
        /// When the model's thoughts are shown.
        thoughts: Thoughts,
        /// What becomes of media that a client gives by an `http` URL.
        remote_media: RemoteMedia,
        /// The `safetySettings` of requests that have none.
        safety_settings: Option<Vec<Map<String, Value>>>,
    }
}

choices! {
    /// How the credential is sent.
    pub enum Credential {
        /// As a header of Google's own.
        XGoogApiKey = "x-goog-api-key",
        /// As `Authorization: Bearer`.
        Bearer = "bearer",
    }

    /// In which language schemas go upstream.
    pub enum Schemas {
        /// JSON Schema, as it came.
        Json = "json",
        /// The subset of OpenAPI that older models and servers take; what it does not have is left out.
        Openapi = "openapi",
    }

    /// What `reasoning_effort` becomes.
    pub enum Reasoning {
        /// What suits the model, judged by its name.
        Auto = "auto",
        /// `thinkingBudget`.
        Budget = "budget",
        /// `thinkingLevel`.
        Level = "level",
        /// Nothing.
        Drop = "drop",
    }

    /// When the model's thoughts are shown, as `reasoning_content`.
    pub enum Thoughts {
        /// When the client asks for reasoning.
        Asked = "asked",
        /// With every model that is known to think.
        Always = "always",
        /// Never.
        Never = "never",
    }

    /// What becomes of media that a client gives by an `http` URL.
    pub enum RemoteMedia {
        /// The host fetches them, and they go inline.
        Fetch = "fetch",
        /// The URL goes upstream, which may or may not be able to fetch it.
        Forward = "forward",
    }
}

impl Settings {
    /// Refuses half a Vertex AI.
    pub fn check(&self) -> Result<(), Failure> {
        match (&self.project, &self.location) {
            (Some(_), Some(_)) | (None, None) => Ok(()),
            _ => Err(Failure::invalid_request("Vertex AI needs both settings, 'project' and 'location'.")),
        }
    }

    /// Whether this is Vertex AI.
    pub fn is_vertex(&self) -> bool {
        self.project.is_some()
    }

    /// The path of a model's method. A model with a slash in its name is the name of a resource:
    /// `tunedModels/mine`, `endpoints/123`, `projects/p/locations/l/publishers/google/models/m`.
    pub fn path(&self, model: &str, method: &str) -> String {
        let place = match (&self.project, &self.location) {
            (Some(project), Some(location)) if !model.starts_with("projects/") => {
                format!("projects/{project}/locations/{location}/")
            }
            _ => String::new(),
        };
        let folder = match (model.contains('/'), self.is_vertex()) {
            (true, _) => "",
            (false, true) => "publishers/google/models/",
            (false, false) => "models/",
        };
        format!("/{}/{}:{method}", self.version(), path_segments(&format!("{place}{folder}{model}")))
    }

    /// The API's version.
    pub fn version(&self) -> &str {
        self.api_version.as_deref().unwrap_or(if self.is_vertex() { "v1beta1" } else { "v1beta" })
    }

    /// The request with what all have in common: how to authenticate, and those of the client's headers that the
    /// operator lets through.
    pub fn complete(&self, call: &Call, request: UpstreamRequest) -> UpstreamRequest {
        let is_bearer = self.auth.map_or(self.is_vertex(), |auth| auth == Credential::Bearer);
        let auth = if is_bearer { Auth::Bearer } else { Auth::Header("x-goog-api-key".to_owned()) };
        UpstreamRequest { auth, ..request }.with_client_headers(call)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_names_every_setting_with_its_default_and_every_choice_is_understood() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), 9);
        for (name, property) in properties {
            let default = property.get("default").cloned().unwrap_or_default();
            assert_eq!(serde_json::from_value::<Settings>(json!({ name: default })).unwrap(), Settings::default());
            for choice in property["enum"].as_array().into_iter().flatten() {
                assert!(serde_json::from_value::<Settings>(json!({ name: choice })).is_ok(), "{name}: {choice}");
            }
        }
    }

    #[test]
    fn half_a_vertex_ai_is_refused() {
        for (settings, good) in [
            (json!({}), true),
            (json!({"project": "p", "location": "global"}), true),
            (json!({"project": "p"}), false),
            (json!({"location": "global"}), false),
        ] {
            assert_eq!(serde_json::from_value::<Settings>(settings).unwrap().check().is_ok(), good);
        }
    }

    #[test]
    fn a_model_has_a_path_whatever_its_name_looks_like() {
        let vertex = Settings { project: Some("p".into()), location: Some("l".into()), ..Settings::default() };
        let express = Settings { api_version: Some("v1beta1/publishers/google".into()), ..Settings::default() };
        let cases = [
            (&Settings::default(), "gemini-x", "/v1beta/models/gemini-x:do"),
            (&Settings::default(), "models/gemini-x", "/v1beta/models/gemini-x:do"),
            (&Settings::default(), "tunedModels/mine", "/v1beta/tunedModels/mine:do"),
            (&Settings::default(), "a?b #c", "/v1beta/models/a%3Fb%20%23c:do"),
            (&vertex, "gemini-x@001", "/v1beta1/projects/p/locations/l/publishers/google/models/gemini-x@001:do"),
            (&vertex, "endpoints/12", "/v1beta1/projects/p/locations/l/endpoints/12:do"),
            (&vertex, "projects/q/locations/m/endpoints/12", "/v1beta1/projects/q/locations/m/endpoints/12:do"),
            (&express, "gemini-x", "/v1beta1/publishers/google/models/gemini-x:do"),
        ];
        for (settings, model, path) in cases {
            assert_eq!(settings.path(model, "do"), path);
        }
    }
}
