//! Fetching over real sockets, from hosts on 127.0.0.1 that answer what a test says.

mod host;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use self::host::{Authority, Host, answer, redirect};
use super::*;
use crate::error::Cause;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";
/// What is long enough for anything that is to happen at once.
const SOON: Duration = Duration::from_secs(5);

fn options() -> FetchOptions {
    FetchOptions { enabled: true, max_bytes: 1000, timeout: SOON, private_addresses: true, redirects: 3 }
}

/// What becomes of a file that its host answers with this.
async fn fetched(bytes: Vec<u8>) -> Result<Media, Error> {
    let host = Host::start(move |_| Some(bytes.clone())).await;
    Fetcher::new(options()).unwrap().fetch(&host.url("/cat.png?key=secret")).await
}

/// Whether this is how a client is refused, because of this.
fn is_refusal(error: &Error, reason: &str) -> bool {
    error.cause == Cause::InvalidRequest
        && error.status == StatusCode::BAD_REQUEST
        && error.param.as_deref() == Some("messages")
        && error.code.as_deref() == Some("invalid_image_url")
        && !error.retryable
        && error.message.contains(reason)
        && !error.message.contains("secret")
}

#[tokio::test]
async fn a_file_is_fetched_without_telling_its_host_more_than_needed() {
    let mut host = Host::start(|_| Some(answer("200 OK\r\ncontent-type: image/png\r\nset-cookie: a=b", PNG))).await;
    let fetcher = Fetcher::new(options()).unwrap();
    for _ in 0..2 {
        let media = fetcher.fetch(&host.url("/cat.png?size=1#part")).await.unwrap();
        assert_eq!(media, Media { media_type: "image/png".into(), bytes: Bytes::from_static(PNG) });
    }
    let requests = host.seen();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let (line, headers) = request.split_once("\r\n").unwrap();
        assert_eq!(line, "GET /cat.png?size=1 HTTP/1.1");
        let mut names: Vec<&str> = headers.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
        assert!(headers.contains("accept-encoding: identity\r\n"));
    }
}

#[tokio::test]
async fn bodies_in_every_form_are_read() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n%PDF-1\r\n2\r\n.7\r\n0\r\n\r\n".to_vec();
    let until_close = b"HTTP/1.0 200 OK\r\n\r\n%PDF-1.7".to_vec();
    for bytes in [chunked, until_close] {
        let media = fetched(bytes).await.unwrap();
        assert_eq!((media.media_type.as_str(), &*media.bytes), ("application/pdf", &b"%PDF-1.7"[..]));
    }
}

#[tokio::test]
async fn a_compressed_file_is_unpacked_up_to_the_limit() {
    for (size, expected) in [(1000, None), (1001, Some("larger than 1000 bytes"))] {
        let plain = [PNG, &vec![0; size - PNG.len()]].concat();
        let packed = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
        let result = fetched(answer("200 OK\r\ncontent-encoding: zstd", &packed)).await;
        match expected {
            None => assert_eq!(result.unwrap().bytes, plain),
            Some(reason) => assert!(is_refusal(&result.unwrap_err(), reason)),
        }
    }
}

#[tokio::test]
async fn whatever_its_host_does_is_told_to_the_client_as_its_own_mistake() {
    let large = answer("200 OK", &[0; 1001]);
    let endless = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n".to_vec(), vec![0; 2000]].concat();
    for (bytes, reason) in [
        (answer("404 Not Found", b"secret"), "its host answered with status 404"),
        (answer("403 Forbidden", b""), "status 403"),
        (answer("503 Service Unavailable", b""), "status 503"),
        (answer("206 Partial Content", PNG), "status 206"),
        (answer("304 Not Modified", b""), "status 304"),
        (answer("302 Found", b""), "it redirects to nowhere"),
        (answer("200 OK\r\ncontent-type: image/png", b""), "it is empty"),
        (answer("200 OK\r\ncontent-type: text/html", b"<p>"), "its type `text/html`"),
        (answer("200 OK", b"?"), "does not say what type"),
        (answer("200 OK\r\ncontent-encoding: x-unknown", PNG), "content encoding `x-unknown` is not supported"),
        (answer("200 OK\r\ncontent-encoding: gzip", PNG), "cannot be decompressed"),
        (large, "it is larger than 1000 bytes"),
        (endless, "it is larger than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n%PDF-".to_vec(), "ended the answer early"),
        (b"220 mail.example ready\r\n".to_vec(), "did not answer in valid HTTP"),
        (Vec::new(), "did not answer in valid HTTP"),
    ] {
        let error = fetched(bytes).await.unwrap_err();
        assert!(is_refusal(&error, reason), "{reason}: {error:?}");
        assert!(error.message.contains("/cat.png`"), "{error:?}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_a_refusal_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = plain.local_addr().unwrap();
    tokio::spawn(async move { plain.accept().await.unwrap().0.write_all(&answer("400 Bad Request", b"")).await });
    let fetcher = Fetcher::new(options()).unwrap();
    for (url, reason) in [
        (format!("http://{address}/"), "its host cannot be reached"),
        (format!("https://{no_tls}/"), "a secure connection to its host cannot be made"),
        ("http://no-such-host.invalid/".to_owned(), "its host name cannot be resolved"),
    ] {
        let error = fetcher.fetch(&url).await.unwrap_err();
        assert!(is_refusal(&error, reason), "{error:?}");
        assert!(error.detail.is_some());
    }
}

#[tokio::test]
async fn redirects_are_followed_up_to_the_limit() {
    let host = Host::start(|path| match path {
        "/3" => Some(redirect("/2")),
        "/2" => Some(redirect("1")),
        "/1" => Some(answer("307 Temporary Redirect\r\nlocation: 0", b"")),
        "/0" => Some(answer("200 OK", PNG)),
        _ => Some(redirect("/3")),
    })
    .await;
    let fetcher = Fetcher::new(options()).unwrap();
    assert_eq!(fetcher.fetch(&host.url("/3")).await.unwrap().bytes, PNG);
    let error = fetcher.fetch(&host.url("/4?key=secret")).await.unwrap_err();
    assert!(is_refusal(&error, "it redirects more than 3 times"), "{error:?}");
    let none = Fetcher::new(FetchOptions { redirects: 0, ..options() }).unwrap();
    assert!(is_refusal(&none.fetch(&host.url("/1")).await.unwrap_err(), "more than 0 times"));
}

#[tokio::test]
async fn https_is_spoken_and_a_redirect_out_of_it_is_not_followed() {
    let mut plain = Host::start(|_| Some(answer("200 OK", PNG))).await;
    let target = plain.url("/");
    let authority = Authority::new("fetch");
    let secure = Host::start_secure(&authority, move |path| match path {
        "/up" => Some(answer("200 OK", PNG)),
        "/same" => Some(redirect("/up")),
        _ => Some(redirect(&target)),
    })
    .await;
    let fetcher = Fetcher::build(options(), |_| true, Some(authority.file())).unwrap();
    for path in ["/up", "/same"] {
        assert_eq!(fetcher.fetch(&secure.url(path)).await.unwrap().bytes, PNG);
    }
    let error = fetcher.fetch(&secure.url("/down")).await.unwrap_err();
    assert!(is_refusal(&error, "it redirects from `https` to `http`"), "{error:?}");
    assert_eq!(plain.seen(), [""; 0]);
    let stranger = Fetcher::new(options()).unwrap();
    let error = stranger.fetch(&secure.url("/up")).await.unwrap_err();
    assert!(is_refusal(&error, "a secure connection to its host cannot be made"), "{error:?}");
}

#[tokio::test]
async fn private_addresses_are_not_even_connected_to() {
    let mut host = Host::start(|_| Some(answer("200 OK", PNG))).await;
    let port = host.address.port();
    let fetcher = Fetcher::new(FetchOptions { private_addresses: false, ..options() }).unwrap();
    for name in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let error = fetcher.fetch(&format!("http://{name}:{port}/?secret")).await.unwrap_err();
        assert!(is_refusal(&error, "has no public address"), "{name}: {error:?}");
    }
    assert_eq!(host.seen(), [""; 0]);
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_checked() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let inside = listener.local_addr().unwrap();
    let host = Host::start(move |_| Some(redirect(&format!("http://{inside}/secret")))).await;
    let fetcher = Fetcher::build(options(), |address| address == IpAddr::V4(Ipv4Addr::LOCALHOST), None).unwrap();
    let error = fetcher.fetch(&host.url("/cat.png")).await.unwrap_err();
    assert!(is_refusal(&error, "one that it redirects to, has no public address"), "{error:?}");
    tokio::select! {
        biased;
        _ = listener.accept() => panic!("it was connected to"),
        () = tokio::task::yield_now() => {}
    }
}

#[tokio::test]
async fn one_file_may_take_only_so_long_whatever_holds_it_up() {
    let silent = Host::start(|_| None).await;
    let stalled = Host::start(|path| match path {
        "/never" => None,
        "/hop" => Some(redirect("/never")),
        _ => Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n%PDF-".to_vec()),
    })
    .await;
    let fetcher = Fetcher::new(FetchOptions { timeout: Duration::from_millis(50), ..options() }).unwrap();
    for url in [silent.url("/"), stalled.url("/hop")] {
        let error = fetcher.fetch(&url).await.unwrap_err();
        assert!(is_refusal(&error, "it took longer than 0.05 seconds"), "{error:?}");
    }
}

#[tokio::test]
async fn several_files_come_in_order_a_few_at_once_and_each_once() {
    let mut host = Host::start(|path| Some(answer("200 OK\r\ncontent-type: text/plain", path.as_bytes()))).await;
    let fetcher = Fetcher::new(options()).unwrap();
    let urls: Vec<String> = (0..20).map(|number| host.url(&format!("/{}", number % MOST_URLS))).collect();
    let media = fetcher.fetch_all(&urls).await.unwrap();
    let texts: Vec<String> = media.iter().map(|media| String::from_utf8(media.bytes.to_vec()).unwrap()).collect();
    let expected: Vec<String> = (0..20).map(|number| format!("/{}", number % MOST_URLS)).collect();
    assert_eq!(texts, expected);
    assert_eq!(host.seen().len(), MOST_URLS);
    assert_eq!(host.peak.load(Ordering::SeqCst), AT_ONCE);
}

#[tokio::test]
async fn the_files_of_one_request_are_limited_in_number_and_size() {
    let host = Host::start(|_| Some(answer("200 OK\r\ncontent-type: text/plain", &[b'a'; 900]))).await;
    let fetcher = Fetcher::new(options()).unwrap();
    let urls = |count: usize| (0..count).map(|number| host.url(&format!("/{number}"))).collect::<Vec<_>>();
    assert_eq!(fetcher.fetch_all(&urls(2)).await.unwrap().len(), 2);
    let error = fetcher.fetch_all(&urls(3)).await.unwrap_err();
    assert!(is_refusal(&error, "larger than 2000 bytes together"), "{error:?}");
    let error = fetcher.fetch_all(&urls(MOST_URLS + 1)).await.unwrap_err();
    assert!(is_refusal(&error, "refers to 17 media by URL"), "{error:?}");
    assert_eq!(fetcher.fetch_all(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_fetched_where_that_is_switched_off() {
    let mut host = Host::start(|_| Some(answer("200 OK", PNG))).await;
    let fetcher = Fetcher::new(FetchOptions { enabled: false, ..options() }).unwrap();
    let error = fetcher.fetch(&host.url("/?secret")).await.unwrap_err();
    assert!(is_refusal(&error, "this gateway fetches no media. Send the file itself"), "{error:?}");
    assert_eq!(host.seen(), [""; 0]);
}
