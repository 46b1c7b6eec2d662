//! A Kubernetes API server as far as lists and watches go: versions, bookmarks, and a history that it forgets.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::server::{Answer, Asked, Server, answer};
use super::*;
use crate::config::{Form, Kubernetes, Namespace, Port};

/// What the server knows. Clones are the same.
#[derive(Clone)]
struct Cluster(Arc<Mutex<State>>, tokio::sync::watch::Sender<u64>);

struct State {
    version: u64,
    slices: Vec<Value>,
    /// Each event with the version that it made.
    history: Vec<(u64, Value)>,
    /// Changes before this one are forgotten.
    oldest: u64,
    /// Whether a watch from what is forgotten is refused by its status, or begun and ended by an event.
    refuses_by_status: bool,
    token: String,
    /// Watches that were begun before this many changes of it are ended.
    ended: u64,
}

impl Cluster {
    fn new() -> Self {
        let state = State {
            version: 100,
            slices: Vec::new(),
            history: Vec::new(),
            oldest: 0,
            refuses_by_status: false,
            token: "token-1".into(),
            ended: 0,
        };
        Self(Arc::new(Mutex::new(state)), tokio::sync::watch::Sender::new(0))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
        self.1.send_modify(|count| *count += 1);
    }

    /// Adds, replaces or removes a slice, as a controller does.
    fn put(&self, name: &str, kind: &str, endpoints: Value) {
        self.change(|state| {
            state.version += 1;
            let version = state.version.to_string();
            let slice = json!({
                "metadata": {
                    "name": name, "namespace": "ai", "resourceVersion": version,
                    "labels": { "kubernetes.io/service-name": "gpus" },
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": [{ "name": "metrics", "port": 9000, "protocol": "UDP" }, { "name": "http", "port": 8000, "protocol": "TCP" }],
            });
            state.slices.retain(|slice| slice["metadata"]["name"] != name);
            if kind != "DELETED" {
                state.slices.push(slice.clone());
            }
            state.history.push((state.version, json!({ "type": kind, "object": slice })));
        });
    }

    /// Tells those who watch how far the server has come.
    fn bookmark(&self) {
        self.change(|state| {
            state.version += 10;
            let metadata = json!({ "resourceVersion": state.version.to_string(), "creationTimestamp": null });
            let object = json!({ "kind": "EndpointSlice", "metadata": metadata, "endpoints": null, "ports": null });
            state.history.push((state.version, json!({ "type": "BOOKMARK", "object": object })));
        });
    }

    fn end_watches(&self) {
        self.change(|state| state.ended += 1);
    }

    async fn serve(&self, tls: Option<ServerConfig>) -> Server {
        let cluster = self.clone();
        Server::start_with(tls, move |asked| {
            let cluster = cluster.clone();
            async move { cluster.answer(&asked) }
        })
        .await
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let state = self.0.lock().unwrap();
        let status = |code: u16| json!({ "kind": "Status", "status": "Failure", "code": code }).to_string();
        if asked.header("authorization") != Some(&format!("Bearer {}", state.token)) {
            return answer(401, &[], status(401));
        }
        let (path, _) = asked.path.split_once('?').unwrap();
        if path != "/apis/discovery.k8s.io/v1/namespaces/ai/endpointslices"
            || asked.parameter("labelSelector") != Some("kubernetes.io%2Fservice-name%3Dgpus")
        {
            return answer(403, &[], status(403));
        }
        if asked.parameter("watch").is_none() {
            let metadata = json!({ "resourceVersion": state.version.to_string() });
            let list = json!({ "kind": "EndpointSliceList", "metadata": metadata, "items": state.slices });
            return answer(200, &[("content-type", "application/json")], list.to_string());
        }
        let from: u64 = asked.parameter("resourceVersion").unwrap().parse().unwrap();
        let is_forgotten = from < state.oldest;
        if is_forgotten && state.refuses_by_status {
            return answer(410, &[], status(410));
        }
        let gone = is_forgotten.then(|| format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status(410)));
        let ended = state.ended;
        drop(state);
        let events =
            stream::unfold((self.clone(), from, gone, self.1.subscribe()), move |state| next_event(state, ended));
        Response::new(BodyExt::boxed(StreamBody::new(events)))
    }
}

type Watching = (Cluster, u64, Option<String>, tokio::sync::watch::Receiver<u64>);

/// The next event of a watch, as a line.
async fn next_event(
    (cluster, from, gone, mut changed): Watching,
    ended: u64,
) -> Option<(Result<Frame<Bytes>, Infallible>, Watching)> {
    if let Some(line) = gone {
        return Some((Ok(Frame::data(line.into())), (cluster, u64::MAX, None, changed)));
    }
    loop {
        let next = {
            let state = cluster.0.lock().unwrap();
            let next = state.history.iter().find(|(version, _)| *version > from).cloned();
            if next.is_none() && (state.ended > ended || from == u64::MAX) {
                return None;
            }
            next
        };
        if let Some((version, event)) = next {
            let line = format!("{event}\n");
            return Some((Ok(Frame::data(line.into())), (cluster, version, None, changed)));
        }
        changed.changed().await.ok()?;
    }
}

/// A folder with a token, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-kubernetes-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        folder.write("token", "token-1\n");
        folder.write("namespace", "ai");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn config(&self, server: &Server) -> Kubernetes {
        Kubernetes {
            api: format!("http://{}", server.address).parse().unwrap(),
            token_file: Some(self.0.join("token")),
            ca_file: None,
            namespace: Namespace::In(self.0.join("namespace")),
            service: "gpus".into(),
            port: None,
            form: Form { tls: false, path: "/v1".into() },
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A watch of the service, and what holds it up.
async fn following(name: &str, cluster: &Cluster) -> (Watch, Server, Folder) {
    let (server, folder) = (cluster.serve(None).await, Folder::new(name));
    let watch = watch(&Endpoints::Kubernetes(folder.config(&server)));
    (watch, server, folder)
}

fn pods(addresses: &[&str]) -> Value {
    addresses.iter().map(|address| json!({ "addresses": [address], "conditions": { "ready": true } })).collect()
}

#[tokio::test]
async fn endpoints_are_listed_once_and_then_watched() {
    let cluster = Cluster::new();
    cluster.put("gpus-a", "ADDED", pods(&["10.0.0.1", "10.0.0.2"]));
    cluster.put("gpus-b", "ADDED", pods(&["10.0.0.3"]));
    let (mut watch, server, _folder) = following("watched", &cluster).await;
    let url = |number: u8| format!("http://10.0.0.{number}:8000/v1");
    assert_eq!(urls(&mut watch).await, [1, 2, 3].map(url));
    cluster.put("gpus-a", "MODIFIED", pods(&["10.0.0.2"]));
    assert_eq!(urls(&mut watch).await, [2, 3].map(url));
    cluster.put("gpus-c", "ADDED", pods(&["10.0.0.4"]));
    assert_eq!(urls(&mut watch).await, [2, 3, 4].map(url));
    cluster.put("gpus-b", "DELETED", pods(&["10.0.0.3"]));
    assert_eq!(urls(&mut watch).await, [2, 4].map(url));
    assert_eq!(server.asked().len(), 2, "one list, one watch");
    assert_eq!(server.last().parameter("allowWatchBookmarks"), Some("true"));
}

#[tokio::test]
async fn endpoints_that_are_not_ready_or_about_to_go_are_not_among_them() {
    let endpoint = |number: u8, more: Value| {
        let mut endpoint = json!({ "addresses": [format!("10.0.0.{number}")] });
        endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        endpoint
    };
    let cluster = Cluster::new();
    let ready = endpoint(
        1,
        json!({
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "targetRef": { "kind": "Pod", "name": "gpus-7d4-x2z" }, "zone": "eu-1a",
        }),
    );
    cluster.put(
        "gpus-a",
        "ADDED",
        json!([
            ready,
            endpoint(2, json!({ "conditions": { "ready": false } })),
            endpoint(3, json!({ "conditions": { "ready": false, "serving": true, "terminating": true } })),
            endpoint(4, json!({ "conditions": { "ready": true, "terminating": true } })),
            endpoint(5, json!({ "conditions": {} })),
            endpoint(6, json!({})),
        ]),
    );
    let (mut watch, _server, _folder) = following("ready", &cluster).await;
    let listing = next(&mut watch).await.unwrap();
    assert_eq!(urls_of(&listing), [1, 5, 6].map(|number| format!("http://10.0.0.{number}:8000/v1")));
    assert_eq!(listing.members[0].label(), "gpus-7d4-x2z");
    assert_eq!(listing.members[0].tags, ["zone:eu-1a"]);
}

#[tokio::test]
async fn the_port_is_the_first_for_tcp_or_the_one_that_is_asked_for() {
    let cluster = Cluster::new();
    cluster.put("gpus-a", "ADDED", pods(&["fd00::1"]));
    let (server, folder) = (cluster.serve(None).await, Folder::new("ports"));
    for (port, expected, left_out) in [
        (None, "http://[fd00::1]:8000/v1", 0),
        (Some(Port::Name("http".into())), "http://[fd00::1]:8000/v1", 0),
        (Some(Port::Number(80)), "http://[fd00::1]:80/v1", 0),
        (Some(Port::Name("metrics".into())), "", 1),
        (Some(Port::Name("https".into())), "", 1),
    ] {
        let config = Kubernetes { port: port.clone(), ..folder.config(&server) };
        let listing = next(&mut watch(&Endpoints::Kubernetes(config))).await.unwrap();
        assert_eq!((urls_of(&listing).concat().as_str(), listing.left_out), (expected, left_out), "{port:?}");
    }
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_from_the_last_bookmark() {
    let cluster = Cluster::new();
    let (mut watch, server, _folder) = following("bookmark", &cluster).await;
    assert!(urls(&mut watch).await.is_empty());
    let waiting = tokio::spawn(async move { urls(&mut watch).await });
    server.was_asked(2).await;
    cluster.bookmark();
    cluster.end_watches();
    server.was_asked(3).await;
    assert_eq!(server.last().parameter("resourceVersion"), Some("110"));
    cluster.put("gpus-a", "ADDED", pods(&["10.0.0.1"]));
    assert_eq!(waiting.await.unwrap(), ["http://10.0.0.1:8000/v1"]);
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_listed_again() {
    for refuses_by_status in [true, false] {
        let cluster = Cluster::new();
        let (mut watch, server, _folder) = following(&format!("gone-{refuses_by_status}"), &cluster).await;
        assert!(urls(&mut watch).await.is_empty());
        cluster.put("gpus-a", "ADDED", pods(&["10.0.0.1"]));
        cluster.change(|state| {
            (state.oldest, state.refuses_by_status) = (state.version, refuses_by_status);
            state.history.clear();
        });
        assert_eq!(urls(&mut watch).await, ["http://10.0.0.1:8000/v1"], "by status: {refuses_by_status}");
        assert_eq!(server.asked().len(), 3, "a list, a watch, a list");
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_is_read_again() {
    let cluster = Cluster::new();
    let (mut watch, server, folder) = following("token", &cluster).await;
    assert!(urls(&mut watch).await.is_empty());
    cluster.put("gpus-a", "ADDED", pods(&["10.0.0.1"]));
    folder.write("token", "token-2");
    cluster.change(|state| state.token = "token-2".into());
    assert_eq!(urls(&mut watch).await, ["http://10.0.0.1:8000/v1"]);
    assert_eq!(server.last().header("authorization"), Some("Bearer token-2"));
}

#[tokio::test]
async fn what_is_wrong_with_the_account_is_told() {
    let cluster = Cluster::new();
    for (name, expected) in [
        ("wrong-token", "status 401 Unauthorized: is its token good"),
        ("no-token", "cannot be read"),
        ("empty-token", "is empty"),
        ("other-namespace", "status 403 Forbidden"),
    ] {
        let (mut watch, _server, folder) = following(name, &cluster).await;
        match name {
            "wrong-token" => folder.write("token", "another-token"),
            "no-token" => std::fs::remove_file(folder.0.join("token")).unwrap(),
            "empty-token" => folder.write("token", "\n"),
            _ => folder.write("namespace", "another"),
        }
        let error = failure(&mut watch).await;
        assert!(error.contains(expected) && !error.contains("another-token"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_watch_that_ends_before_it_begins_is_a_failure_and_no_reason_to_ask_on_and_on() {
    let closing = Server::start(|asked: Asked| async move {
        let list = json!({ "metadata": { "resourceVersion": "1" }, "items": [] });
        answer(200, &[], if asked.parameter("watch").is_some() { String::new() } else { list.to_string() })
    })
    .await;
    let folder = Folder::new("closing");
    let mut watch = watch(&Endpoints::Kubernetes(folder.config(&closing)));
    assert!(urls(&mut watch).await.is_empty());
    assert!(failure(&mut watch).await.contains("ended before it began"));
    assert_eq!(closing.asked().len(), 2);
}

#[tokio::test]
async fn the_authority_of_the_cluster_is_trusted_and_no_other() {
    let cluster = Cluster::new();
    cluster.put("gpus-a", "ADDED", pods(&["10.0.0.1"]));
    let folder = Folder::new("tls");
    let (tls, authority) = certificate();
    let server = cluster.serve(Some(tls)).await;
    let config = Kubernetes { api: format!("https://{}", server.address).parse().unwrap(), ..folder.config(&server) };
    let error = failure(&mut watch(&Endpoints::Kubernetes(config.clone()))).await;
    assert!(error.contains("certificate"), "{error}");
    // The file may come later than the registry: it is read when it is needed.
    let mut watch = watch(&Endpoints::Kubernetes(Kubernetes { ca_file: Some(folder.0.join("ca.crt")), ..config }));
    assert!(failure(&mut watch).await.contains("ca.crt"));
    folder.write("ca.crt", &authority);
    assert_eq!(urls(&mut watch).await, ["http://10.0.0.1:8000/v1"]);
}

/// A certificate for this machine, and the authority that it is from.
fn certificate() -> (ServerConfig, String) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (config, authority.pem())
}
