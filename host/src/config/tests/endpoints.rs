//! Where a provider's endpoints are: what each key means, and what counts when it is not given.

use std::path::Path;
use std::time::Duration;

use super::super::{Consul, DnsSrv, Endpoints, Form, Kubernetes, Member, Namespace, Port, Provider};
use super::read;

fn provider(yaml: &str, variables: &[(&str, &str)]) -> Provider {
    let config = read(&format!("providers: [{{ name: a, endpoints: {yaml} }}]"), variables);
    config.unwrap_or_else(|errors| panic!("{yaml}: {errors}")).providers.remove(0)
}

fn endpoints(yaml: &str) -> Endpoints {
    provider(yaml, &[]).endpoints.unwrap()
}

#[test]
fn a_list_has_urls_and_what_is_known_of_them() {
    let url = |url: &str| Member::new(url.parse().unwrap());
    let second = Member {
        name: Some("gpu-2".into()),
        weight: 0,
        priority: 3,
        tags: vec!["big".into()],
        models: vec!["m1".into()],
        ..url("http://10.0.0.2:8000")
    };
    let list = endpoints(
        "[https://a.example/v1/, { url: \"http://10.0.0.2:8000\", name: gpu-2, weight: 0, priority: 3, tags: [big], \
         models: [m1] }]",
    );
    assert_eq!(list, Endpoints::List(vec![url("https://a.example/v1"), second]));
    assert_eq!(provider("[https://a.example]", &[]).base_url, None);
}

#[test]
fn registries_have_defaults() {
    let form = |path: &str| Form { tls: false, path: path.into() };
    let Endpoints::Registry(registry) = endpoints("{ registry: { url: \"https://a.example/x.json?a=b\" } }") else {
        panic!("no registry");
    };
    assert_eq!(
        (registry.url.to_string().as_str(), registry.interval),
        ("https://a.example/x.json?a=b", Duration::from_secs(30))
    );
    let expected =
        DnsSrv { name: "_a._tcp.b".into(), form: form("/v1"), resolver: None, interval: Duration::from_secs(30) };
    assert_eq!(endpoints("{ dns_srv: { name: _a._tcp.b, path: /v1/ } }"), Endpoints::DnsSrv(expected));
    let expected = Consul {
        url: "http://127.0.0.1:8500".parse().unwrap(),
        service: "a".into(),
        tag: None,
        passing: true,
        token: None,
        datacenter: None,
        form: form(""),
        interval: Duration::from_secs(60),
        ca_file: None,
    };
    assert_eq!(endpoints("{ consul: { service: a } }"), Endpoints::Consul(expected));
}

#[test]
fn kubernetes_is_that_of_the_pod_unless_another_is_named() {
    let account = Path::new("/var/run/secrets/kubernetes.io/serviceaccount");
    let of_pod = Kubernetes {
        api: "https://kubernetes.default.svc".parse().unwrap(),
        token_file: Some(account.join("token")),
        ca_file: Some(account.join("ca.crt")),
        namespace: Namespace::In(account.join("namespace")),
        service: "a".into(),
        port: None,
        form: Form { tls: false, path: String::new() },
    };
    let other = Kubernetes {
        api: "http://127.0.0.1:8001".parse().unwrap(),
        token_file: None,
        ca_file: None,
        namespace: Namespace::Named("ai".into()),
        port: Some(Port::Name("http".into())),
        ..of_pod.clone()
    };
    let named = |api: &str| Kubernetes { api: api.parse().unwrap(), ..of_pod.clone() };
    let host = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    let host6 = ("KUBERNETES_SERVICE_HOST", "fd00::1");
    let port = ("KUBERNETES_SERVICE_PORT", "6443");
    for (yaml, variables, expected) in [
        ("service: a", &[][..], of_pod.clone()),
        ("service: a", &[host, port], named("https://10.96.0.1:6443")),
        ("service: a", &[host6], named("https://[fd00::1]:443")),
        ("service: a, port: 8000", &[], Kubernetes { port: Some(Port::Number(8000)), ..of_pod.clone() }),
        ("service: a, namespace: ai, port: http, api: \"http://127.0.0.1:8001\"", &[host, port], other),
    ] {
        let found = provider(&format!("{{ kubernetes: {{ {yaml} }} }}"), variables).endpoints;
        assert_eq!(found, Some(Endpoints::Kubernetes(expected)), "{yaml}");
    }
}

#[test]
fn an_endpoint_makes_the_provider_that_it_would_be_alone() {
    let text = "{ name: a, api_key: sk-1, models: [m1], known_models: [{ id: m2, context_window: 5 }], discover: true, endpoints: [\"https://a.example\"] }";
    let group = read(&format!("providers: [{text}]"), &[]).unwrap().providers.remove(0);
    let member = Member::new("https://b.example/v1".parse().unwrap());
    let alone = group.at(&member);
    assert_eq!(alone.base_url.as_ref().unwrap(), "https://b.example/v1");
    assert_eq!((alone.endpoints.is_none(), alone.discover, alone.models.len()), (true, true, 1));
    let knowing = group.at(&Member { models: vec!["m1".into(), "m2".into()], ..member });
    assert!(!knowing.discover, "what is known is not asked for");
    assert_eq!(knowing.models.iter().map(|model| model.context_window).collect::<Vec<_>>(), [None, Some(5)]);
    for (url, allowed) in [("http://10.0.0.1", false), ("http://127.0.0.1", true), ("https://10.0.0.1", true)] {
        assert_eq!(group.may_call(&url.parse().unwrap()), allowed, "{url}");
    }
}

#[test]
fn a_host_that_a_registry_tells_of_is_a_host_and_nothing_else() {
    let form = Form { tls: true, path: "/v1".into() };
    for (host, expected) in [
        ("a.example", Some("https://a.example:80/v1")),
        ("10.0.0.1", Some("https://10.0.0.1:80/v1")),
        ("fd00::1", Some("https://[fd00::1]:80/v1")),
        ("a.example/x", None),
        ("a.example:90", None),
        ("user@a.example", None),
        ("a.example#", None),
        ("fe80::1%eth0", None),
        ("", None),
    ] {
        assert_eq!(form.url(host, 80).ok().map(|url| url.to_string()).as_deref(), expected, "{host}");
    }
}

#[test]
fn a_preset_says_all_but_where_a_provider_with_endpoints_is() {
    let config = read("providers: [{ name: vllm, endpoints: [\"http://10.0.0.1:8000/v1\"] }]", &[]).unwrap();
    assert_eq!(config.providers[0].base_url, None);
    assert_eq!(config.providers[0].plugin, "openai");
}
