//! Where a provider's endpoints are, if they are several or come and go: a list, or a registry that is asked for them.
//!
//! Only what stands in the file is here. Whoever asks the registries is `upstream`.

mod registries;

use std::net::Ipv6Addr;
use std::path::Path;

use hyper::Uri;

pub use self::registries::{Consul, DnsSrv, JsonRegistry, Kubernetes, Namespace, Port};
use super::Environment;
use super::document::{Node, Value};
use super::errors::Problems;
use super::fields::Fields;
use super::provider::is_exposed;
use super::values::{base_url, checked_url, one_of, text, unexpected, whole_number};

/// Where a provider's endpoints are.
#[derive(Debug, Clone, PartialEq)]
pub enum Endpoints {
    /// These.
    List(Vec<Member>),
    /// A document in JSON has them.
    Registry(JsonRegistry),
    /// SRV records of the DNS name them.
    DnsSrv(DnsSrv),
    /// A Consul agent knows them.
    Consul(Consul),
    /// A Kubernetes API server knows them.
    Kubernetes(Kubernetes),
}

/// One endpoint, and what is said of it by the list or the registry that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where its API begins, as a provider's `base_url`.
    pub url: Uri,
    /// What to call it. Default: its host and port.
    pub name: Option<String>,
    /// Its share of the requests, beside those of the others. Default 1.
    pub weight: u32,
    /// Those with the lowest number are preferred. Default 0.
    pub priority: u16,
    /// What routing policies may look for. Default none.
    pub tags: Vec<String>,
    /// The models that it has. Default none: it is asked, as `discover` says.
    pub models: Vec<String>,
}

/// What makes a URL of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// What follows the port: empty, or `/v1`.
    pub path: String,
}

impl Form {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let tls = fields.or("scheme", one_of(&[("http", false), ("https", true)]), false);
        Self { tls, path: fields.get("path", url_path).unwrap_or_default() }
    }

    /// The URL of a host's name or address at this port.
    ///
    /// # Errors
    /// A host that cannot stand in a URL.
    pub fn url(&self, host: &str, port: u16) -> Result<Uri, &'static str> {
        let scheme = if self.tls { "https" } else { "http" };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let url = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("{scheme}://[{address}]:{port}{}", self.path),
            Err(_) if host.bytes().all(allowed) => format!("{scheme}://{host}:{port}{}", self.path),
            Err(_) => return Err("names a host that is none"),
        };
        Member::url(&url)
    }
}

impl Member {
    /// One of which only the URL is known.
    pub fn new(url: Uri) -> Self {
        Self { url, name: None, weight: 1, priority: 0, tags: Vec::new(), models: Vec::new() }
    }

    /// Checks a URL by the rules of a `base_url`.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub fn url(text: &str) -> Result<Uri, &'static str> {
        checked_url(text).map_err(|reason| reason.unwrap_or("is no URL"))
    }

    /// What messages and status pages call it.
    pub fn label(&self) -> &str {
        let own = || self.url.authority().map_or("", |authority| authority.as_str());
        self.name.as_deref().unwrap_or_else(own)
    }

    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        if !matches!(node.value, Value::Map(_)) {
            let url =
                base_url(node).map_err(|message| problems.report(&node.origin, format!("`endpoints`: {message}")));
            return url.ok().map(Self::new);
        }
        Fields::read(node, problems, |fields| {
            let url = fields.required("url", base_url);
            let number =
                |fields: &mut Fields<'_, '_>, key, most, default| fields.or(key, whole_number(0..=most), default);
            let member = Self {
                name: fields.get("name", text),
                weight: u32::try_from(number(fields, "weight", 1_000_000, 1)).unwrap_or(1),
                priority: u16::try_from(number(fields, "priority", u16::MAX.into(), 0)).unwrap_or(0),
                tags: fields.values("tags", text),
                models: fields.values("models", text),
                url: Uri::default(),
            };
            Some(Self { url: url?, ..member })
        })
        .flatten()
    }
}

impl Endpoints {
    /// The provider's `endpoints`, if it has them.
    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path, environment: &Environment) -> Option<Self> {
        let node = fields.node("endpoints")?;
        if matches!(node.value, Value::Map(_)) {
            let read = |fields: &mut Fields<'_, '_>| Self::read_registry(fields, folder, environment);
            return Fields::read(node, fields.problems(), read).flatten();
        }
        let members = fields.elements("endpoints", Member::read);
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            fields.report(&node.origin, "`endpoints`: is empty: the provider could serve nothing");
        }
        Some(Self::List(members))
    }

    fn read_registry(fields: &mut Fields<'_, '_>, folder: &Path, environment: &Environment) -> Option<Self> {
        let mut found = Vec::new();
        if let Some(node) = fields.node("registry") {
            let registry = Fields::read(node, fields.problems(), |fields| JsonRegistry::read(fields, folder));
            found.push(registry.flatten().map(Self::Registry));
        }
        if let Some(node) = fields.node("dns_srv") {
            found.push(Fields::read(node, fields.problems(), DnsSrv::read).flatten().map(Self::DnsSrv));
        }
        if let Some(node) = fields.node("consul") {
            let consul = Fields::read(node, fields.problems(), |fields| Consul::read(fields, folder));
            found.push(consul.flatten().map(Self::Consul));
        }
        if let Some(node) = fields.node("kubernetes") {
            let kubernetes =
                Fields::read(node, fields.problems(), |fields| Kubernetes::read(fields, folder, environment));
            found.push(kubernetes.flatten().map(Self::Kubernetes));
        }
        if found.len() != 1 {
            fields.report(
                fields.origin(),
                "`endpoints`: expected a list, or one of `registry`, `dns_srv`, `consul` and `kubernetes`",
            );
        }
        found.into_iter().next().flatten()
    }

    /// What this is called in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Registry(_) => "registry",
            Self::DnsSrv(_) => "dns_srv",
            Self::Consul(_) => "consul",
            Self::Kubernetes(_) => "kubernetes",
        }
    }

    /// What would cross a network in the clear, in words. `has_credential`: whether endpoints are sent one.
    pub(super) fn exposed(&self, has_credential: bool) -> Option<&'static str> {
        let own = match self {
            Self::List(_) | Self::DnsSrv(_) => false,
            Self::Registry(registry) => {
                is_exposed(&registry.url) && (registry.token.is_some() || !registry.headers.is_empty())
            }
            Self::Consul(consul) => is_exposed(&consul.url) && consul.token.is_some(),
            Self::Kubernetes(kubernetes) => is_exposed(&kubernetes.api) && kubernetes.token_file.is_some(),
        };
        let plain = match self {
            Self::List(members) => members.iter().any(|member| is_exposed(&member.url)),
            // What a document will name is checked when it does.
            Self::Registry(_) => false,
            Self::DnsSrv(DnsSrv { form, .. })
            | Self::Consul(Consul { form, .. })
            | Self::Kubernetes(Kubernetes { form, .. }) => !form.tls,
        };
        if own { Some("the token of the registry") } else { (plain && has_credential).then_some("the credential") }
    }
}

fn url_path(node: &Node) -> Result<String, String> {
    let path = text(node)?;
    let path = path.trim_end_matches('/');
    match path.is_empty() || (path.starts_with('/') && Member::url(&format!("http://host{path}")).is_ok()) {
        true => Ok(path.to_owned()),
        false => Err(unexpected("a path such as `/v1`", node)),
    }
}
