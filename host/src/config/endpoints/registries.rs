//! The registries that know a provider's endpoints: what the file says of each kind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::Form;
use crate::config::Environment;
use crate::config::document::Node;
use crate::config::fields::Fields;
use crate::config::provider::headers;
use crate::config::secret::Secret;
use crate::config::values::{base_url, boolean, checked_url, duration, path, secret, socket_address, text, unexpected};

/// How often a registry is asked that does not tell of changes by itself.
const INTERVAL: Duration = Duration::from_secs(30);

/// How long Consul may hold back an answer while nothing changes.
const CONSUL_INTERVAL: Duration = Duration::from_secs(60);

/// Where a pod finds the account that it runs under.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The API server as the cluster's own DNS calls it, for a pod whose environment does not name it.
const API_SERVER: &str = "https://kubernetes.default.svc";

/// A document in JSON, at a URL.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonRegistry {
    /// Where.
    pub url: Uri,
    /// Sent as a bearer token. Default none.
    pub token: Option<Secret>,
    /// Sent with each request. Default none.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How often it is asked. Default 30 s.
    pub interval: Duration,
    /// Certificates (PEM) to trust besides the public ones. Default none.
    pub ca_file: Option<PathBuf>,
}

/// SRV records.
#[derive(Debug, Clone, PartialEq)]
pub struct DnsSrv {
    /// Their name: `_gpus._tcp.example.internal`.
    pub name: String,
    /// How the targets become URLs.
    pub form: Form,
    /// Who is asked. Default: the name servers of the system.
    pub resolver: Option<SocketAddr>,
    /// The longest time between two questions, if the records do not expire before. Default 30 s.
    pub interval: Duration,
}

/// A service in Consul.
#[derive(Debug, Clone, PartialEq)]
pub struct Consul {
    /// The agent. Default `http://127.0.0.1:8500`.
    pub url: Uri,
    /// The service.
    pub service: String,
    /// Only instances with this tag. Default none.
    pub tag: Option<String>,
    /// Only instances whose checks pass. Else all that are in the catalog. Default true.
    pub passing: bool,
    /// The ACL token. Default none.
    pub token: Option<Secret>,
    /// Default: the agent's own.
    pub datacenter: Option<String>,
    /// How the instances become URLs.
    pub form: Form,
    /// How long the agent may hold back its answer while nothing changes. Default 60 s.
    pub interval: Duration,
    /// Certificates (PEM) to trust besides the public ones. Default none.
    pub ca_file: Option<PathBuf>,
}

/// A service in Kubernetes, by its EndpointSlices.
#[derive(Debug, Clone, PartialEq)]
pub struct Kubernetes {
    /// The API server. Default: that of the cluster that Weir runs in.
    pub api: Uri,
    /// The token of the service account, in a file that is read anew each time, since it is replaced while it is good.
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// The namespace, or the file that holds it.
    pub namespace: Namespace,
    /// The service.
    pub service: String,
    /// The port. Default: the first.
    pub port: Option<Port>,
    /// How the pods become URLs.
    pub form: Form,
}

/// A namespace of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// This one.
    Named(String),
    /// The one that this file names.
    In(PathBuf),
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// By number.
    Number(u16),
    /// By the name that the service gives it.
    Name(String),
}

impl JsonRegistry {
    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Self> {
        let url = fields.required("url", url_with_query);
        let registry = Self {
            url: Uri::default(),
            token: token(fields),
            headers: headers(fields),
            interval: fields.or("interval", duration, INTERVAL),
            ca_file: fields.get("ca_file", path(folder)),
        };
        Some(Self { url: url?, ..registry })
    }
}

impl DnsSrv {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name", domain);
        let records = Self {
            name: String::new(),
            form: Form::read(fields),
            resolver: fields.get("resolver", socket_address),
            interval: fields.or("interval", duration, INTERVAL),
        };
        Some(Self { name: name?, ..records })
    }
}

impl Consul {
    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Self> {
        let service = fields.required("service", name);
        let consul = Self {
            url: fields.or("url", base_url, Uri::from_static("http://127.0.0.1:8500")),
            service: String::new(),
            tag: fields.get("tag", name),
            passing: fields.or("passing", boolean, true),
            token: token(fields),
            datacenter: fields.get("datacenter", name),
            form: Form::read(fields),
            interval: fields.or("interval", duration, CONSUL_INTERVAL),
            ca_file: fields.get("ca_file", path(folder)),
        };
        Some(Self { service: service?, ..consul })
    }
}

impl Kubernetes {
    /// Without an `api` it is that of the cluster, and what the pod's service account has counts.
    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path, environment: &Environment) -> Option<Self> {
        let service = fields.required("service", name);
        let api = fields.get("api", base_url);
        let own = |file: &str| (!fields.is_given("api")).then(|| Path::new(SERVICE_ACCOUNT).join(file));
        let (own_token, own_authority, own_namespace) = (own("token"), own("ca.crt"), own("namespace"));
        let namespace = match own_namespace {
            None => fields.required("namespace", name).map(Namespace::Named),
            Some(file) => Some(fields.get("namespace", name).map_or(Namespace::In(file), Namespace::Named)),
        };
        let kubernetes = Self {
            api: api.unwrap_or_else(|| api_server(environment)),
            token_file: fields.get("token_file", path(folder)).or(own_token),
            ca_file: fields.get("ca_file", path(folder)).or(own_authority),
            namespace: Namespace::Named(String::new()),
            service: String::new(),
            port: fields.get("port", port),
            form: Form::read(fields),
        };
        Some(Self { service: service?, namespace: namespace?, ..kubernetes })
    }
}

/// The API server that Kubernetes writes into the environment of every container.
fn api_server(environment: &Environment) -> Uri {
    let variable = |name| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
    let named = variable("KUBERNETES_SERVICE_HOST").and_then(|host| {
        let port = variable("KUBERNETES_SERVICE_PORT").map_or(Some(443), |port| port.parse().ok())?;
        Form { tls: true, path: String::new() }.url(host, port).ok()
    });
    named.unwrap_or(Uri::from_static(API_SERVER))
}

fn token(fields: &mut Fields<'_, '_>) -> Option<Secret> {
    fields.get("token", secret).filter(|secret| !secret.expose().is_empty())
}

/// A name that becomes part of a path: without anything that means something there.
fn name(node: &Node) -> Result<String, String> {
    let name = text(node)?;
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    match name.len() <= 253 && name.chars().all(allowed) && !name.chars().all(|character| character == '.') {
        true => Ok(name),
        false => Err("has to be at most 253 of letters, digits, `.`, `_` and `-`".to_owned()),
    }
}

fn domain(node: &Node) -> Result<String, String> {
    let domain = text(node)?;
    let is_label = |label: &str| (1..=63).contains(&label.len());
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let labels = domain.strip_suffix('.').unwrap_or(&domain);
    match labels.len() <= 253 && labels.split('.').all(is_label) && labels.chars().all(allowed) {
        true => Ok(domain),
        false => Err(unexpected("a name of SRV records such as `_http._tcp.example.com`", node)),
    }
}

fn port(node: &Node) -> Result<Port, String> {
    let text = name(node)?;
    if !text.chars().all(|character| character.is_ascii_digit()) {
        return Ok(Port::Name(text));
    }
    let number = text.parse().ok().filter(|port| *port > 0);
    number.map(Port::Number).ok_or_else(|| unexpected("a port's name, or its number from 1 to 65535", node))
}

/// The URL of a document, which may have a query.
fn url_with_query(node: &Node) -> Result<Uri, String> {
    let expected = "a URL such as `https://example.com/endpoints.json`";
    let whole = text(node)?;
    let bare = whole.split('?').next().unwrap_or(&whole);
    checked_url(bare).map_err(|reason| reason.map_or_else(|| unexpected(expected, node), str::to_owned))?;
    whole.parse().map_err(|_| unexpected(expected, node))
}
