//! A document in JSON.

use serde_json::json;

use super::super::{LARGEST_ANSWER, MOST_ENDPOINTS};
use super::server::{Server, answer};
use super::*;
use crate::config::{JsonRegistry, Member, Secret};

fn document(server: &Server, path: &str) -> Endpoints {
    Endpoints::Registry(registry(server, path))
}

fn registry(server: &Server, path: &str) -> JsonRegistry {
    JsonRegistry {
        url: format!("http://{}{path}", server.address).parse().unwrap(),
        token: None,
        headers: Vec::new(),
        interval: Duration::from_millis(10),
        ca_file: None,
    }
}

/// What a watch says of a server that always answers this.
async fn of_answer(status: u16, headers: &'static [(&str, &str)], body: impl Into<String>) -> Result<Listing, String> {
    let body: String = body.into();
    let server = Server::start(move |_| {
        let body = body.clone();
        async move { answer(status, headers, body) }
    })
    .await;
    next(&mut watch(&document(&server, "/"))).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn endpoints_are_urls_or_objects_with_what_else_is_known() {
    let body = json!([
        "https://b.example/v1/",
        { "url": "http://10.0.0.1:8000", "name": "gpu-1", "weight": 3, "tags": ["fast"], "models": ["m1", "m2"] },
        { "url": "http://10.0.0.2:8000", "priority": 7, "weight": "heavy", "unknown": true, "tags": "none" },
        "https://b.example/v1",
    ]);
    let first = Member::new("http://10.0.0.1:8000".parse().unwrap());
    let expected = vec![
        Member {
            name: Some("gpu-1".into()),
            weight: 3,
            tags: vec!["fast".into()],
            models: vec!["m1".into(), "m2".into()],
            ..first
        },
        Member::new("https://b.example/v1".parse().unwrap()),
        Member { priority: 7, ..Member::new("http://10.0.0.2:8000".parse().unwrap()) },
    ];
    for body in [body.clone(), json!({ "endpoints": body, "more": 1 })] {
        let listing = of_answer(200, &[], body.to_string()).await.unwrap();
        assert_eq!(listing, Listing { members: expected.clone(), left_out: 0, reason: None });
    }
    assert_eq!(of_answer(200, &[], r#"{"endpoints":[]}"#).await, Ok(Listing::default()), "none is an answer");
}

#[tokio::test]
async fn what_is_no_endpoint_is_left_out() {
    for entry in [
        "\"ftp://a.example\"",
        "\"a.example:80\"",
        "\"http://user:secret@a.example\"",
        "\"http://a.example/?a=b\"",
        "\"http://a.example:99999\"",
        "7",
        "{}",
        "null",
    ] {
        let listing = of_answer(200, &[], format!("[\"https://good.example\",{entry}]")).await.unwrap();
        assert_eq!(urls_of(&listing), ["https://good.example/"], "{entry}");
        assert_eq!((listing.left_out, listing.reason.is_some()), (1, true), "{entry}");
        let alone = of_answer(200, &[], format!("[{entry}]")).await.unwrap_err();
        assert!(alone.contains("no entry of its list is an endpoint"), "{entry}: {alone}");
    }
}

#[tokio::test]
async fn there_are_no_more_endpoints_and_no_more_words_than_are_looked_at() {
    let entry = |number: usize| json!({ "url": format!("http://host-{number}.example"), "tags": vec!["t"; 100] });
    let many: Vec<_> = (0..MOST_ENDPOINTS + 5).map(entry).collect();
    let listing = of_answer(200, &[], json!(many).to_string()).await.unwrap();
    assert_eq!((listing.members.len(), listing.left_out), (MOST_ENDPOINTS, 5));
    assert_eq!(listing.members[0].tags.len(), 64);
}

#[tokio::test]
async fn what_is_no_list_is_an_error_that_says_why() {
    let large = format!("[\"{}\"]", "a".repeat(LARGEST_ANSWER));
    for (status, headers, body, expected) in [
        (500, &[][..], "", "status 500"),
        (401, &[], "", "is its token good"),
        (302, &[("location", "http://elsewhere.example/")], "", "status 302 to host elsewhere.example"),
        (200, &[], "{\"endpoints\": [", "makes no sense"),
        (200, &[], "{\"endpoints\": {}}", "neither a list nor an object"),
        (200, &[], "7", "neither a list nor an object"),
        (200, &[], &large, "larger than"),
    ] {
        let error = of_answer(status, headers, body).await.unwrap_err();
        assert!(error.contains(expected), "{status}: {error}");
    }
}

#[tokio::test]
async fn the_token_the_headers_and_the_query_are_sent() {
    let server = Server::start(|_| async { answer(200, &[], "[]") }).await;
    let mut config = registry(&server, "/a/list.json?env=prod&x=%20");
    config.token = Some(Secret::new("t0ken"));
    config.headers = vec![("x-team".parse().unwrap(), "a".parse().unwrap())];
    next(&mut watch(&Endpoints::Registry(config))).await.unwrap();
    let asked = server.last();
    assert_eq!(asked.path, "/a/list.json?env=prod&x=%20");
    assert_eq!((asked.header("authorization"), asked.header("x-team")), (Some("Bearer t0ken"), Some("a")));
}

#[tokio::test]
async fn it_is_asked_again_and_again_whether_or_not_it_answers() {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Server::start(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            match number {
                1 => answer(503, &[], ""),
                _ => answer(200, &[], format!("[\"http://10.0.0.{number}\"]")),
            }
        }
    })
    .await;
    let mut watch = watch(&document(&server, "/"));
    assert_eq!(urls(&mut watch).await, ["http://10.0.0.0/"]);
    assert!(failure(&mut watch).await.contains("503"));
    assert_eq!(urls(&mut watch).await, ["http://10.0.0.2/"]);
}

#[tokio::test]
async fn a_document_that_has_not_changed_is_not_sent_again() {
    let said = Arc::new(std::sync::Mutex::new(("\"one\"", "[\"http://10.0.0.1\"]")));
    let says = Arc::clone(&said);
    let server = Server::start(move |asked| {
        let (tag, body) = *says.lock().unwrap();
        async move {
            match asked.header("if-none-match") == Some(tag) {
                true => answer(304, &[("etag", tag)], ""),
                false => answer(200, &[("etag", tag)], body),
            }
        }
    })
    .await;
    let mut watch = watch(&document(&server, "/"));
    let mut conditions = Vec::new();
    for (change, expected) in [
        (None, "http://10.0.0.1/"),
        (None, "http://10.0.0.1/"),
        (Some(("W/\"two\"", "[\"http://10.0.0.2\"]")), "http://10.0.0.2/"),
        (None, "http://10.0.0.2/"),
        (Some(("\"three\"", "nonsense")), ""),
        // After an error nothing is known any more.
        (Some(("W/\"two\"", "[\"http://10.0.0.2\"]")), "http://10.0.0.2/"),
    ] {
        if let Some(change) = change {
            *said.lock().unwrap() = change;
        }
        let found = next(&mut watch).await.map(|listing| urls_of(&listing).concat()).unwrap_or_default();
        assert_eq!(found, expected);
        conditions.push(server.last().header("if-none-match").map(str::to_owned));
    }
    let conditions: Vec<_> = conditions.iter().map(Option::as_deref).collect();
    let (one, two) = (Some("\"one\""), Some("W/\"two\""));
    assert_eq!(conditions, [None, one, one, two, two, None]);
}

#[tokio::test]
async fn an_answer_that_nothing_has_changed_is_none_if_nobody_asked_so() {
    let error = of_answer(304, &[("etag", "\"one\"")], "").await.unwrap_err();
    assert!(error.contains("304"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_is_not_waited_for_without_end() {
    let server = Server::start(|_| std::future::pending()).await;
    let error = watch(&document(&server, "/")).next().await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 10 s");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_an_error_of_its_own() {
    let server = Server::start(|_| async { answer(200, &[], "[]") }).await;
    let config = document(&server, "/");
    drop(server);
    tokio::task::yield_now().await;
    let error = failure(&mut watch(&config)).await;
    assert!(error.contains("refused"), "{error}");
}
