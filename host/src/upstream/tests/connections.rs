//! Connections: when they are used again, when not, and that dropping a call closes its own.

use std::time::Duration;

use tokio::net::TcpListener;

use super::super::*;
use super::script::{SOON, Seen, Step, Upstream, answer, request, send};
use crate::error::Cause;

async fn call(endpoint: &Endpoint) -> String {
    let incoming = tokio::time::timeout(SOON, endpoint.send(request())).await.unwrap().unwrap();
    String::from_utf8(incoming.whole(1000, SOON).await.unwrap().into()).unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let script = vec![Step::Receive, answer("1"), Step::Receive, answer("2")];
    let mut upstream = Upstream::start(vec![script]).await;
    let endpoint = upstream.endpoint();
    assert_eq!([call(&endpoint).await, call(&endpoint).await], ["1", "2"]);
    assert_eq!([upstream.connection_of_request().await, upstream.connection_of_request().await], [0, 0]);
}

#[tokio::test]
async fn surplus_bytes_close_the_connection_and_reach_nobody() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
    let good = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n";
    for surplus in [
        vec![send(format!("{good}{smuggled}"))],
        vec![send(format!("{good}x"))],
        vec![send(format!("{chunked}{smuggled}"))],
        vec![send(good), send(smuggled)],
    ] {
        let first = [vec![Step::Receive], surplus.clone(), vec![Step::AwaitClose]].concat();
        let mut upstream = Upstream::start(vec![first, vec![Step::Receive, answer("clean")]]).await;
        let endpoint = upstream.endpoint();
        assert_eq!(call(&endpoint).await, "good", "{surplus:?}");
        assert_eq!(upstream.connection_of_request().await, 0);
        if surplus.len() > 1 {
            // Sent apart, the surplus may still be on its way: the connection is closed as soon as it is here.
            assert_eq!(upstream.seen().await, Seen::Closed(0), "{surplus:?}");
        }
        assert_eq!(call(&endpoint).await, "clean", "{surplus:?}");
        let seen = [upstream.seen().await];
        assert!(seen.iter().all(|seen| matches!(seen, Seen::Closed(0) | Seen::Request(1, _))), "{seen:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_is_replaced_unseen() {
    let script = vec![Step::Receive, answer("first"), Step::Finish, Step::AwaitClose];
    let mut upstream = Upstream::start(vec![script.clone(), script.clone(), script]).await;
    let endpoint = upstream.endpoint();
    for number in 0..3 {
        assert_eq!(call(&endpoint).await, "first");
        assert_eq!(upstream.connection_of_request().await, number);
        assert_eq!(upstream.seen().await, Seen::Closed(number));
    }
}

#[tokio::test]
async fn nobody_listening_is_a_retryable_connection_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = Endpoint::new(EndpointOptions::new("acme", url)).unwrap().send(request()).await.unwrap_err();
    assert_eq!((error.cause, error.retryable, error.status.as_u16()), (Cause::Connection, true, 502));
    assert_eq!(error.message, "The upstream of provider `acme` could not be reached.");
    assert!(error.detail.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_connection_error() {
    let url = "http://no-such-host.invalid".parse().unwrap();
    let error = Endpoint::new(EndpointOptions::new("acme", url)).unwrap().send(request()).await.unwrap_err();
    assert_eq!((error.cause, error.retryable), (Cause::Connection, true));
}

#[tokio::test]
async fn the_time_to_connect_covers_the_tls_handshake() {
    // It accepts and says nothing.
    let upstream = Upstream::start(vec![vec![Step::AwaitClose]]).await;
    let mut options = EndpointOptions::new("acme", format!("https://{}", upstream.address).parse().unwrap());
    options.connect_timeout = Duration::from_millis(50);
    let error = Endpoint::new(options).unwrap().send(request()).await.unwrap_err();
    assert_eq!((error.cause, error.retryable, error.status.as_u16()), (Cause::Timeout, true, 504));
}

#[tokio::test]
async fn dropping_a_call_before_its_answer_closes_the_connection() {
    let mut upstream = Upstream::start(vec![vec![Step::Receive, Step::AwaitClose]]).await;
    let endpoint = upstream.endpoint();
    let calling = tokio::spawn(async move { endpoint.send(request()).await.map(drop) });
    assert_eq!(upstream.connection_of_request().await, 0);
    calling.abort();
    assert_eq!(upstream.seen().await, Seen::Closed(0));
}

#[tokio::test]
async fn dropping_an_answer_in_the_middle_closes_the_connection() {
    for begun in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n",
    ] {
        let mut upstream = Upstream::start(vec![vec![Step::Receive, send(begun), Step::AwaitClose]]).await;
        // The endpoint lives on: it is the call that closes the connection.
        let endpoint = upstream.endpoint();
        let incoming = endpoint.send(request()).await.unwrap();
        assert_eq!(upstream.connection_of_request().await, 0);
        if begun.contains("data") {
            let mut events = incoming.events(Framing::Sse, 1000).unwrap();
            assert_eq!(events.next().await.unwrap().unwrap().len(), 1);
            drop(events);
        } else {
            drop(incoming);
        }
        assert_eq!(upstream.seen().await, Seen::Closed(0), "{begun}");
    }
}

#[tokio::test]
async fn a_body_that_stops_coming_times_out_and_closes_the_connection() {
    let begun = send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
    let mut upstream = Upstream::start(vec![vec![Step::Receive, begun, Step::AwaitClose]]).await;
    let endpoint = upstream.endpoint();
    let incoming = endpoint.send(request()).await.unwrap();
    let error = incoming.whole(1000, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!((error.cause, error.retryable, error.status.as_u16()), (Cause::Timeout, false, 504));
    assert_eq!(upstream.connection_of_request().await, 0);
    assert_eq!(upstream.seen().await, Seen::Closed(0));
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time() {
    let mut upstream = Upstream::start(vec![vec![Step::Receive, answer("1"), Step::AwaitClose]]).await;
    let endpoint =
        Endpoint::new(EndpointOptions { pool_idle: Duration::from_millis(50), ..upstream.options() }).unwrap();
    assert_eq!(call(&endpoint).await, "1");
    assert_eq!(upstream.connection_of_request().await, 0);
    assert_eq!(upstream.seen().await, Seen::Closed(0));
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_may_be_and_who_waits_gets_the_first_that_is_free() {
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = vec![Step::Receive, Step::Wait(go.clone()), answer("held"), Step::Receive, answer("after")];
    let mut upstream = Upstream::start(vec![held, vec![]]).await;
    let connections = ConnectionOptions { limit: Some(1), patience: SOON, counted: None };
    let endpoint = Endpoint::new(EndpointOptions { connections, ..upstream.options() }).unwrap();
    let endpoint = std::sync::Arc::new(endpoint);
    let other = std::sync::Arc::clone(&endpoint);
    let first = tokio::spawn(async move { call(&other).await });
    assert_eq!(upstream.connection_of_request().await, 0);
    let other = std::sync::Arc::clone(&endpoint);
    let second = tokio::spawn(async move { call(&other).await });
    tokio::task::yield_now().await;
    go.notify_one();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("held".to_owned(), "after".to_owned()));
    assert_eq!(upstream.connection_of_request().await, 0, "on the same connection");
}

#[tokio::test]
async fn who_waits_for_a_connection_in_vain_is_told_that_all_are_in_use() {
    let mut upstream = Upstream::start(vec![vec![Step::Receive, Step::AwaitClose], vec![]]).await;
    let connections = ConnectionOptions { limit: Some(1), patience: Duration::from_millis(20), counted: None };
    let endpoint = Endpoint::new(EndpointOptions { connections, ..upstream.options() }).unwrap();
    let endpoint = std::sync::Arc::new(endpoint);
    let other = std::sync::Arc::clone(&endpoint);
    let first = tokio::spawn(async move { other.send(request()).await.map(drop) });
    assert_eq!(upstream.connection_of_request().await, 0);
    let error = tokio::time::timeout(SOON, endpoint.send(request())).await.unwrap().unwrap_err();
    assert_eq!((error.cause, error.code.as_deref()), (Cause::Overloaded, Some("target_full")));
    assert!(error.retry_after.is_some() && !error.retryable);
    first.abort();
    // The place is free again with the connection.
    assert_eq!(upstream.seen().await, Seen::Closed(0));
}
