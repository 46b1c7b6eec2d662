//! The floor: the least that a proxy on hyper can do. It passes requests on and streams both bodies; it parses
//! nothing, checks nothing and counts nothing.
//!
//! Usage: `floor ADDRESS`, the address of the upstream. It prints its own address as the first line.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Upstream = Client<HttpConnector, Incoming>;
type Answer = Response<Either<Incoming, Empty<Bytes>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let upstream: SocketAddr = std::env::args().nth(1).context("usage: floor ADDRESS")?.parse()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let client = client.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let client = client.clone();
                async move { Ok::<_, std::convert::Infallible>(forward(&client, upstream, request).await) }
            });
            // A client that goes away in the middle is no news here.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn forward(client: &Upstream, upstream: SocketAddr, mut request: Request<Incoming>) -> Answer {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = format!("http://{upstream}{path}").parse::<Uri>() else { return bad_gateway() };
    *request.uri_mut() = uri;
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(CONNECTION);
    let Ok(mut response) = client.request(request).await else { return bad_gateway() };
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    response.map(Either::Left)
}

fn bad_gateway() -> Answer {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
