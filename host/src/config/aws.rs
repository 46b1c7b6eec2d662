//! Credentials of AWS, for upstreams whose requests are signed.

use hyper::Uri;

use super::document::{Node, Value};
use super::fields::Fields;
use super::secret::Secret;
use super::values::{secret, text};

/// Credentials of AWS. They sign requests in the host; no plugin sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// The region (`eu-central-1`). Default: the one that the host name of the provider's `base_url` holds.
    pub region: String,
    /// The name of the key.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// What credentials that are temporary have besides. Default none.
    pub session_token: Option<Secret>,
}

impl Aws {
    /// The provider's `aws`. `None` if it is not given, or holds nothing but variables that are not set, or only a
    /// region beside an API key, which needs none.
    pub(super) fn read(fields: &mut Fields<'_, '_>, base_url: Option<&Uri>, has_api_key: bool) -> Option<Self> {
        let node = fields.node("aws")?;
        Fields::read(node, fields.problems(), |fields| {
            let region = fields.get("region", region).or_else(|| region_of(base_url?.host()?));
            let is_off = is_empty(node) || (has_api_key && !is_given(node));
            let mut required = |key| if is_off { fields.get(key, secret) } else { fields.required(key, secret) };
            let (access_key_id, secret_access_key) = (required("access_key_id"), required("secret_access_key"));
            let session_token = fields.get("session_token", secret);
            if region.is_none() && !is_off && !fields.is_given("region") {
                fields.report(fields.origin(), "`region` is missing, and the host name of `base_url` holds none");
            }
            Some(Self {
                region: region?,
                access_key_id: access_key_id?,
                secret_access_key: secret_access_key?,
                session_token,
            })
        })
        .flatten()
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::Map(entries) if entries.iter().all(|entry| entry.node.is_nothing()))
}

/// Whether anything but the region is given.
fn is_given(node: &Node) -> bool {
    let counts = |key: &str, node: &Node| key != "region" && !node.is_nothing();
    matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| counts(&entry.key, &entry.node)))
}

/// The region becomes part of a signature, and of nothing else; what is no region at all is a slip.
fn region(node: &Node) -> Result<String, String> {
    let region = text(node)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match region.bytes().all(allowed) {
        true => Ok(region),
        false => Err("has to be a region such as `us-east-1`".to_owned()),
    }
}

/// The region in a host name such as `bedrock-runtime.eu-central-1.amazonaws.com`: the part in front of the domain.
fn region_of(host: &str) -> Option<String> {
    let rest = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let region = rest.rsplit('.').next().filter(|_| rest.contains('.'))?;
    let is_region = region.matches('-').count() >= 2 && region.ends_with(|last: char| last.is_ascii_digit());
    is_region.then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::region_of;

    #[test]
    fn a_host_name_holds_its_region() {
        for (host, expected) in [
            ("runtime.us-east-1.amazonaws.com", Some("us-east-1")),
            ("vpce-1-a.runtime.us-gov-west-1.vpce.amazonaws.com", None),
            ("runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("us-east-1.amazonaws.com", None),
            ("runtime.amazonaws.com", None),
            ("example.com", None),
        ] {
            assert_eq!(region_of(host).as_deref(), expected, "{host}");
        }
    }
}
