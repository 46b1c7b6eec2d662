//! A Consul agent with the semantics of its blocking queries.

use serde_json::{Value, json};
use tokio::sync::watch::Sender;

use super::server::{Asked, Server, answer};
use super::*;
use crate::config::{Consul, Form, Secret};

/// What the agent knows, and as of which index.
type Catalog = Sender<(u64, Value)>;

const TOKEN: &str = "b1gs35hi-acl-token";

/// An agent that holds an answer back until there is a newer one, or the time is up, as the documentation has it.
async fn agent(catalog: Catalog) -> Server {
    Server::start(move |asked: Asked| {
        let mut catalog = catalog.subscribe();
        async move {
            if asked.header("x-consul-token").is_some_and(|token| token != TOKEN) {
                return answer(403, &[], "Permission denied: token with AccessorID ...");
            }
            if let Some(index) = asked.parameter("index") {
                let index: u64 = index.parse().unwrap();
                let wait = asked.parameter("wait").unwrap().strip_suffix("ms").unwrap().parse().unwrap();
                // An index from before the agent started over is answered at once.
                let is_news = |(now, _): &(u64, Value)| *now != index;
                let _ = tokio::time::timeout(Duration::from_millis(wait), catalog.wait_for(is_news)).await;
            }
            let (index, body) = catalog.borrow().clone();
            if body.is_null() {
                return answer(500, &[], "No cluster leader");
            }
            let index = index.to_string();
            let headers = [("x-consul-index", index.as_str()), ("x-consul-knownleader", "true")];
            // Something else that answers at this port says nothing of an index.
            answer(200, if body == json!("no agent") { &[] } else { &headers }, body.to_string())
        }
    })
    .await
}

fn healthy(id: &str, address: &str, port: u16) -> Value {
    json!({
        "Node": { "ID": "40e4", "Node": "foobar", "Address": "10.1.10.12", "Datacenter": "dc1" },
        "Service": {
            "ID": id, "Service": "gpus", "Tags": ["gpu"], "Address": address, "Meta": null, "Port": port,
            "Weights": { "Passing": 5, "Warning": 1 }, "CreateIndex": 3,
        },
        "Checks": [{ "Status": "passing" }],
    })
}

fn config(server: &Server) -> Consul {
    Consul {
        url: format!("http://{}", server.address).parse().unwrap(),
        service: "gpus".into(),
        tag: None,
        passing: true,
        token: None,
        datacenter: None,
        form: Form { tls: false, path: "/v1".into() },
        interval: Duration::from_secs(60),
        ca_file: None,
    }
}

#[tokio::test]
async fn instances_are_at_their_own_address_or_that_of_their_node() {
    let entries = [healthy("a", "10.0.0.1", 8000), healthy("b", "", 8001), healthy("c", "fd00::1", 80)];
    let broken = healthy("d", "a b", 80);
    let catalog = Catalog::new((7, Value::from_iter(entries.into_iter().chain([broken]))));
    let server = agent(catalog).await;
    let mut config = config(&server);
    config.tag = Some("gpu".into());
    config.datacenter = Some("dc1".into());
    config.token = Some(Secret::new(TOKEN));
    let listing = next(&mut watch(&Endpoints::Consul(config))).await.unwrap();
    let expected = ["http://10.0.0.1:8000/v1", "http://10.1.10.12:8001/v1", "http://[fd00::1]:80/v1"];
    assert_eq!(urls_of(&listing), expected);
    assert_eq!(listing.left_out, 1);
    let first = &listing.members[0];
    assert_eq!((first.name.as_deref(), first.weight, &first.tags[..]), (Some("a"), 5, &["gpu".to_owned()][..]));
    let asked = server.last();
    assert_eq!(asked.path, "/v1/health/service/gpus?passing=1&tag=gpu&dc=dc1");
    assert_eq!(asked.header("x-consul-token"), Some(TOKEN));
}

#[tokio::test]
async fn the_catalog_has_instances_whose_checks_fail_as_well() {
    let entry = json!({
        "ID": "40e4", "Node": "t2.320", "Address": "192.168.10.10", "Datacenter": "dc3", "ServiceAddress": "172.17.0.3",
        "ServiceID": "gpus-1", "ServiceName": "gpus", "ServicePort": 5000, "ServiceTags": ["prod"],
        "ServiceWeights": { "Passing": 2, "Warning": 1 },
    });
    let server = agent(Catalog::new((7, json!([entry])))).await;
    let mut watch = watch(&Endpoints::Consul(Consul { passing: false, ..config(&server) }));
    assert_eq!(urls(&mut watch).await, ["http://172.17.0.3:5000/v1"]);
    assert!(server.last().path.starts_with("/v1/catalog/service/gpus?"), "{:?}", server.last());
}

#[tokio::test]
async fn a_change_is_told_when_it_happens() {
    let catalog = Catalog::new((7, json!([healthy("a", "10.0.0.1", 80)])));
    let server = agent(catalog.clone()).await;
    let mut watch = watch(&Endpoints::Consul(config(&server)));
    assert_eq!(urls(&mut watch).await, ["http://10.0.0.1:80/v1"]);
    let following = tokio::spawn(async move { (urls(&mut watch).await, watch) });
    server.was_asked(2).await;
    assert_eq!((server.last().parameter("index"), server.last().parameter("wait")), (Some("7"), Some("60000ms")));
    catalog.send_replace((9, json!([])));
    let (gone, mut watch) = following.await.unwrap();
    assert!(gone.is_empty());
    catalog.send_replace((12, json!([healthy("b", "10.0.0.2", 80)])));
    assert_eq!(urls(&mut watch).await, ["http://10.0.0.2:80/v1"]);
    assert_eq!(server.last().parameter("index"), Some("9"));
}

#[tokio::test]
async fn when_nothing_changes_the_agent_says_so_after_the_interval() {
    let server = agent(Catalog::new((7, json!([healthy("a", "10.0.0.1", 80)])))).await;
    let mut watch = watch(&Endpoints::Consul(Consul { interval: Duration::from_millis(20), ..config(&server) }));
    for _ in 0..3 {
        assert_eq!(urls(&mut watch).await, ["http://10.0.0.1:80/v1"]);
    }
    assert_eq!(server.last().parameter("wait"), Some("20ms"));
}

#[tokio::test]
async fn an_index_that_goes_back_starts_over() {
    let catalog = Catalog::new((700, json!([healthy("a", "10.0.0.1", 80)])));
    let server = agent(catalog.clone()).await;
    let mut watch = watch(&Endpoints::Consul(config(&server)));
    urls(&mut watch).await;
    for (index, expected) in [(3, "700"), (4, "1")] {
        catalog.send_replace((index, json!([healthy("b", "10.0.0.2", 80)])));
        assert_eq!(urls(&mut watch).await, ["http://10.0.0.2:80/v1"]);
        assert_eq!(server.last().parameter("index"), Some(expected));
    }
}

#[tokio::test]
async fn an_agent_that_cannot_answer_is_asked_for_everything_the_next_time() {
    let catalog = Catalog::new((7, json!([healthy("a", "10.0.0.1", 80)])));
    let server = agent(catalog.clone()).await;
    let mut watch = watch(&Endpoints::Consul(config(&server)));
    urls(&mut watch).await;
    catalog.send_replace((8, Value::Null));
    assert!(failure(&mut watch).await.contains("status 500"));
    catalog.send_replace((9, json!("no agent")));
    assert!(failure(&mut watch).await.contains("X-Consul-Index"));
    catalog.send_replace((10, json!({ "not": "a list" })));
    assert!(failure(&mut watch).await.contains("makes no sense"));
    catalog.send_replace((11, json!([])));
    assert!(urls(&mut watch).await.is_empty());
    assert_eq!(server.last().parameter("index"), None);
}

#[tokio::test]
async fn a_token_that_is_not_allowed_is_named_as_the_reason_and_not_shown() {
    let server = agent(Catalog::new((7, json!([])))).await;
    let token = Some(Secret::new("another-token"));
    let error = failure(&mut watch(&Endpoints::Consul(Consul { token, ..config(&server) }))).await;
    assert!(error.contains("is its token good") && !error.contains("another-token"), "{error}");
}
