//! A provider: an account at an upstream, spoken to through a plugin.

use std::path::Path;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::Environment;
use super::aws::Aws;
use super::ca_file::CaFile;
use super::document::{Node, Value};
use super::endpoints::{Endpoints, Member};
use super::errors::{Place, Problems};
use super::facts::ModelInfo;
use super::fields::Fields;
use super::secret::Secret;
use super::standing::Standing;
use super::timeouts::{Retries, Timeouts};
use super::values::{
    base_url, boolean, checked_header_name, header_name, header_value, one_of, secret, text, whole_number,
};

/// What a plugin may offer, as the contract calls it.
const OPERATIONS: [&str; 7] = ["chat", "models", "embeddings", "completions", "responses", "messages", "count-tokens"];

/// A provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name, as in `provider/model` and in the metrics: 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`.
    pub name: String,
    /// Where it is configured.
    pub place: Place,
    /// The plugin that speaks its language. Default: that of the preset, or the plugin of the same name.
    pub plugin: String,
    /// Where its API is, without a `/` at the end. `None` for a plugin that answers by itself.
    pub base_url: Option<Uri>,
    /// In place of a `base_url`: where its endpoints are, each of which has a `base_url` of its own. Default none.
    pub endpoints: Option<Endpoints>,
    /// The credential. The plugin says how it is sent, and never sees it.
    pub api_key: Option<Secret>,
    /// Credentials of AWS, for a plugin whose upstream wants its requests signed. Default none.
    pub aws: Option<Aws>,
    /// Models that are listed without asking the upstream. Others can be used as well. What is not said here is taken
    /// from `known_models`. Default none.
    pub models: Vec<ModelInfo>,
    /// What is known of models, whether or not they are listed. Default none.
    pub known_models: Vec<ModelInfo>,
    /// Whether to ask the upstream which models it has. Default: whether `models` is empty.
    pub discover: bool,
    /// Whether its models can be asked for without a configured name that leads to them. Default true.
    pub direct: bool,
    /// Whether the upstream may be absent, as a local server that is not always running: it is then not listed, and
    /// that is not an error. Default false.
    pub optional: bool,
    /// All that may be asked of the plugin, of what it offers: some of `chat`, `models`, `embeddings`, `completions`,
    /// `responses`, `messages`, `count-tokens`. Default: whatever it offers.
    pub operations: Option<Vec<String>>,
    /// What happens to a request with a parameter that the upstream has nothing like. Default: warn.
    pub unsupported_parameters: UnsupportedParameters,
    /// The most inputs of one request for embeddings; more are split. Default: what the plugin says.
    pub embedding_inputs: Option<u32>,
    /// Headers that are sent with each request. Their values are marked as sensitive. Default none.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers that are passed on from the client's request. Default none.
    pub forward_headers: Vec<HeaderName>,
    /// What only the plugin understands: a JSON object. Default empty.
    pub settings: serde_json::Value,
    /// The global `timeouts`, with the provider's own over them.
    pub timeouts: Timeouts,
    /// The global `retries`, with the provider's own over them.
    pub retries: Retries,
    /// The global `breaker`, `concurrency` and so on, with the provider's own over them.
    pub standing: Standing,
    /// Certificates (PEM) to trust besides the public ones. Default none.
    pub ca_file: Option<CaFile>,
    /// Whether the credential may go over plain HTTP to another machine. Default false.
    pub allow_http: bool,
}

/// What happens to a request with a parameter that the upstream has nothing like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnsupportedParameters {
    /// It is sent without the parameter.
    Drop,
    /// The same, and a header of the answer names the parameter.
    #[default]
    Warn,
    /// It is refused: 400, code `unsupported_parameter`.
    Refuse,
}

impl UnsupportedParameters {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let words = [("drop", Self::Drop), ("warn", Self::Warn), ("refuse", Self::Refuse)];
        fields.or("unsupported_parameters", one_of(&words), Self::default())
    }
}

/// What holds for every provider unless it says otherwise.
pub(super) struct Common<'a> {
    pub(super) timeouts: &'a Timeouts,
    pub(super) retries: &'a Retries,
    pub(super) standing: &'a Standing,
    /// The folder that relative paths start from.
    pub(super) folder: &'a Path,
    pub(super) environment: &'a Environment,
}

impl Provider {
    pub(super) fn read(node: &Node, problems: &mut Problems, common: &Common<'_>) -> Option<Self> {
        Fields::read(node, problems, |fields| {
            let name = fields.required("name", provider_name);
            let plugin = fields.get("plugin", text).or_else(|| name.clone());
            let models = fields.elements("models", ModelInfo::read);
            let base_url = fields.get("base_url", base_url);
            let api_key = fields.get("api_key", secret).filter(|secret| !secret.expose().is_empty());
            let known_models = fields.elements("known_models", ModelInfo::read);
            let provider = Self {
                name: name.clone().unwrap_or_default(),
                place: Place(fields.origin().clone()),
                plugin: plugin.unwrap_or_default(),
                aws: Aws::read(fields, base_url.as_ref(), api_key.is_some()),
                base_url,
                endpoints: Endpoints::read(fields, common.folder, common.environment),
                api_key,
                discover: fields.or("discover", boolean, models.is_empty()),
                models: models.into_iter().map(|model| model.or_known(&known_models)).collect(),
                known_models,
                direct: fields.or("direct", boolean, true),
                optional: fields.or("optional", boolean, false),
                operations: operations(fields),
                unsupported_parameters: UnsupportedParameters::read(fields),
                embedding_inputs: fields
                    .get("embedding_inputs", whole_number(1..=1_000_000))
                    .and_then(|inputs| u32::try_from(inputs).ok()),
                headers: headers(fields),
                forward_headers: fields.values("forward_headers", forward_header),
                settings: settings(fields),
                timeouts: fields.section("timeouts", |fields| Timeouts::read(fields, common.timeouts)),
                retries: fields.section("retries", |fields| Retries::read(fields, common.retries)),
                standing: Standing::read(fields, common.standing),
                ca_file: fields.get("ca_file", CaFile::read(common.folder)),
                allow_http: fields.or("allow_http", boolean, false),
            };
            provider.check_plain_http(fields);
            provider.check_endpoints(fields);
            name.map(|_| provider)
        })
        .flatten()
    }

    /// What is known of one of its models, listed or not.
    pub fn facts(&self, model: &str) -> Option<&ModelInfo> {
        self.models.iter().chain(&self.known_models).find(|known| known.id == model)
    }

    /// The same provider at one of its endpoints. Models that are said to be there are as good as configured.
    #[must_use]
    pub fn at(&self, member: &Member) -> Self {
        let mut models = self.models.clone();
        for model in &member.models {
            if models.iter().all(|known| known.id != *model) {
                models.push(ModelInfo::named(model).or_known(&self.known_models));
            }
        }
        let discover = self.discover && member.models.is_empty();
        Self { base_url: Some(member.url.clone()), endpoints: None, models, discover, ..self.clone() }
    }

    /// Whether requests may go to this URL: with a credential not over plain HTTP to another machine, unless that is
    /// allowed.
    pub fn may_call(&self, url: &Uri) -> bool {
        self.allow_http || !self.has_credential() || !is_exposed(url)
    }

    fn has_credential(&self) -> bool {
        self.api_key.is_some() || self.aws.is_some() || !self.headers.is_empty()
    }

    fn check_endpoints(&self, fields: &mut Fields<'_, '_>) {
        let Some((endpoints, node)) = self.endpoints.as_ref().zip(fields.node("endpoints")) else { return };
        if self.base_url.is_some() {
            fields.report(&node.origin, "`endpoints`: a provider has these or a `base_url`, not both");
        }
        if let Some(what) = endpoints.exposed(self.has_credential()).filter(|_| !self.allow_http) {
            fields.report(
                &node.origin,
                format!(
                    "`endpoints`: {what} would go over plain HTTP to another machine; use https, or set `allow_http: \
                     true` if the network in between is trusted"
                ),
            );
        }
    }

    /// A credential that crosses a network in the clear is an accident until somebody says otherwise.
    fn check_plain_http(&self, fields: &mut Fields<'_, '_>) {
        let remote = self.base_url.as_ref().is_some_and(is_exposed);
        if remote && self.has_credential() && !self.allow_http {
            let origin = fields.node("base_url").map_or(fields.origin(), |node| &node.origin);
            fields.report(
                origin,
                "`base_url`: the credential would go over plain HTTP to another machine; use `https://`, or set \
                 `allow_http: true` if the network in between is trusted",
            );
        }
    }
}

/// Whether what is sent to this URL crosses a network in the clear.
pub(super) fn is_exposed(url: &Uri) -> bool {
    url.scheme_str() == Some("http") && url.host().is_some_and(|host| !is_loopback(host))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A provider's name is part of URLs, metrics and model names, and stands before a `/`.
fn provider_name(node: &Node) -> Result<String, String> {
    let name = text(node)?;
    let allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character);
    if name.len() > 64 || !name.chars().all(allowed) {
        return Err("has to be 1 to 64 of a-z, 0-9, `.`, `_` and `-`".to_owned());
    }
    if name == "none" {
        return Err("`none` is what the metrics call requests that reach no provider".to_owned());
    }
    Ok(name)
}

/// The headers below `headers`.
pub(super) fn headers(fields: &mut Fields<'_, '_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for entry in fields.entries("headers") {
        let name = checked_header_name(&entry.key).map_err(|message| fields.report(&entry.origin, message));
        if entry.node.is_nothing() {
            continue;
        }
        let value = header_value(&entry.node)
            .map_err(|message| fields.report(&entry.node.origin, format!("`{}`: {message}", entry.key)));
        let (Ok(name), Ok(value)) = (name, value) else { continue };
        if headers.iter().any(|(other, _)| *other == name) {
            fields.report(&entry.origin, format!("the header `{name}` is set twice"));
        }
        headers.push((name, value));
    }
    headers
}

fn operations(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let node = fields.node("operations")?;
    let operations = fields.values("operations", one_of(&OPERATIONS.map(|name| (name, name))));
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        fields.report(&node.origin, "`operations`: is empty: the provider could do nothing; leave the key out");
    }
    Some(operations.into_iter().map(str::to_owned).collect())
}

/// A client's own credentials stay with Weir.
fn forward_header(node: &Node) -> Result<HeaderName, String> {
    let name = header_name(node)?;
    match name.as_str() {
        "x-api-key" | "api-key" | "x-goog-api-key" | "cookie" => {
            Err(format!("the header `{name}` cannot be passed on: it may hold a client's key"))
        }
        _ => Ok(name),
    }
}

/// The `settings` that only a plugin understands.
pub(super) fn settings(fields: &mut Fields<'_, '_>) -> serde_json::Value {
    let empty = || serde_json::Value::Object(serde_json::Map::new());
    let Some(node) = fields.node("settings") else { return empty() };
    let settings = node.to_json();
    if !settings.is_object() {
        fields.report_form("settings", "a mapping", node);
        return empty();
    }
    settings
}
