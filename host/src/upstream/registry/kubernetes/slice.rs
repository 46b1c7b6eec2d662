//! An EndpointSlice, as far as it is read, and the endpoints in it that serve.
//! <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>

use serde::Deserialize;

use crate::config::{Form, Member, Port};

/// An EndpointSlice.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slice {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    ports: Option<Vec<SlicePort>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) resource_version: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Option<Conditions>,
    #[serde(default)]
    target_ref: Option<Reference>,
    #[serde(default)]
    zone: Option<String>,
}

/// What is known of an endpoint's state. What is not said counts as the documentation has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Reference {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlicePort {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    protocol: Option<String>,
}

impl Slice {
    /// The endpoints that take new requests: ready, and not about to go.
    pub(super) fn members(&self, form: &Form, port: Option<&Port>) -> Vec<Result<Member, &'static str>> {
        let ready = self.endpoints.iter().flatten().filter(|endpoint| endpoint.is_ready());
        let port = self.port(port);
        ready.map(|endpoint| endpoint.member(form, port)).collect()
    }

    fn port(&self, wanted: Option<&Port>) -> Option<u16> {
        let is_tcp = |port: &&SlicePort| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        let mut ports = self.ports.iter().flatten().filter(is_tcp);
        match wanted {
            None => ports.find_map(|port| port.port),
            // A number holds as it stands: a pod may listen where the service does not say so.
            Some(Port::Number(number)) => Some(*number),
            Some(Port::Name(name)) => ports.find(|port| port.name.as_deref() == Some(name))?.port,
        }
    }
}

impl Endpoint {
    fn is_ready(&self) -> bool {
        let conditions = self.conditions.clone().unwrap_or_default();
        conditions.ready.unwrap_or(true) && !conditions.terminating.unwrap_or(false)
    }

    /// All addresses of an endpoint lead to the same place: the first one will do.
    fn member(&self, form: &Form, port: Option<u16>) -> Result<Member, &'static str> {
        let address = self.addresses.first().ok_or("has no address")?;
        let port = port.ok_or("has no port of this name")?;
        let url = form.url(address, port)?;
        let pod = self.target_ref.as_ref().map(|pod| pod.name.clone()).filter(|name| !name.is_empty());
        let tags = self.zone.iter().map(|zone| format!("zone:{zone}")).collect();
        Ok(Member { name: pod, tags, ..Member::new(url) })
    }
}
