//! What clients see: the paths, who may use them, and the shape of every answer. What they ask for is handed to
//! `pipeline` in the dialect that they speak.

mod access;
mod administration;
mod body;
mod cors;
mod models;
mod operations;
mod reply;
mod request_id;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use self::access::{Access, Need};
use self::operations::Offer;
use self::reply::{Reply, ReplyBody};
use crate::error::{Cause, Error};
use crate::pipeline::{Account, Gateway, Snapshot};
use crate::server::{Handler, Peer, TurnedAway};
use crate::telemetry::Shed;

/// How soon a client may come again that was turned away.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// The path, for the metrics and the log, of a request whose head could not be read.
const UNREAD: &str = "none";

/// Which of the two listeners a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Where clients come in.
    Public,
    /// Where operators come in, if it is another one.
    Administration,
}

/// The HTTP API on one listener.
pub struct Api {
    gateway: Arc<Gateway>,
    listener: Listener,
    in_flight: Arc<AtomicUsize>,
    shed: ShedFor,
}

/// What is turned away, by its reason. Connections are counted where they come in.
#[derive(Clone)]
struct ShedFor {
    requests: Shed,
    memory: Shed,
    draining: Shed,
}

/// What a path and a method stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Operation(&'static Offer),
    /// A Response that was to be kept.
    StoredResponse,
    Models,
    Model(String),
    Health,
    Ready,
    Providers,
    Status,
    StatusOf(String),
    Check,
    ClearCache,
    Metrics,
    Plugins,
    ReloadPlugins,
    Discover,
}

impl Api {
    /// The API of this gateway as this listener offers it.
    pub fn new(gateway: Arc<Gateway>, listener: Listener) -> Self {
        let shed = |reason| gateway.metrics().shed(reason);
        let shed = ShedFor { requests: shed("requests"), memory: shed("memory"), draining: shed("draining") };
        Self { gateway, listener, in_flight: Arc::default(), shed }
    }

    /// The same API as another listener offers it. Requests in flight are counted together.
    pub fn beside(&self, listener: Listener) -> Self {
        let (gateway, in_flight) = (Arc::clone(&self.gateway), Arc::clone(&self.in_flight));
        Self { gateway, listener, in_flight, shed: self.shed.clone() }
    }

    /// Answers a request, whatever it is.
    async fn answer(&self, request: Request<Incoming>, peer: Peer, snapshot: &Arc<Snapshot>, id: &Arc<str>) -> Reply {
        if let Some(refusal) = peer.refusal {
            let error = Error::from(refusal);
            // Who looks for the id that the client was given has to find it. Of the request nothing else is known.
            Account::open(self.gateway.metrics(), UNREAD, id).failed(&error);
            return Reply::error(&error);
        }
        match self.route(&request, snapshot) {
            Ok(Route::Operation(offer)) => self.operation(offer, request, &peer, snapshot, id).await,
            Ok(route) => match self.admit(&route, &request, snapshot) {
                Ok(()) => self.other(route, request, snapshot).await,
                Err(error) => Reply::error(&error),
            },
            Err(error) => match access::check(&request, snapshot.config(), Need::Key) {
                Ok(_) => unknown(request.uri().path(), error),
                Err(denied) => Reply::error(&denied),
            },
        }
    }

    async fn operation(
        &self,
        offer: &'static Offer,
        request: Request<Incoming>,
        peer: &Peer,
        snapshot: &Snapshot,
        id: &Arc<str>,
    ) -> Reply {
        let mut account = Account::open(self.gateway.metrics(), offer.path, id);
        let access = match access::check(&request, snapshot.config(), Need::Key) {
            Ok(access) => access,
            Err(error) => return Reply::failed(offer.shape, error, account),
        };
        let key = match access {
            Access::Key(key) => Some(key),
            Access::Anonymous => None,
        };
        if let Some(key) = key {
            account.set_key(&key.name);
        }
        let place = match self.room(peer, snapshot.config().limits.requests_in_flight) {
            Ok(place) => place,
            Err(error) => return Reply::failed(offer.shape, error, account),
        };
        // A stream is in flight until its last byte.
        operations::answer(offer, request, snapshot, id, key, account).await.holding(place)
    }

    async fn other(&self, route: Route, request: Request<Incoming>, snapshot: &Snapshot) -> Reply {
        match route {
            Route::Models => models::list(snapshot),
            Route::Model(id) => models::one(snapshot, &id),
            Route::Health => status::health(&self.gateway),
            Route::Ready => status::ready(&self.gateway),
            Route::Providers => status::providers(&self.gateway),
            Route::Status => status::status(&self.gateway, self.in_flight.load(Ordering::Relaxed)),
            Route::StatusOf(name) => status::one(&self.gateway, &name),
            Route::ClearCache => status::clear_cache(&self.gateway),
            Route::Metrics => administration::metrics(&self.gateway),
            Route::Plugins => administration::plugins(&self.gateway),
            // Boxed: every request would otherwise make room for what these need.
            Route::Check => Box::pin(status::check(&self.gateway, request)).await,
            Route::ReloadPlugins => Box::pin(administration::reload(&self.gateway)).await,
            Route::Discover => Box::pin(administration::discover(&self.gateway)).await,
            Route::StoredResponse => Reply::error(&stored_response()),
            Route::Operation(_) => Reply::error(&Error::internal("operations take another way")),
        }
    }

    fn admit(&self, route: &Route, request: &Request<Incoming>, snapshot: &Snapshot) -> Result<(), Error> {
        let need = match route {
            Route::Health | Route::Ready | Route::Metrics => return Ok(()),
            Route::Plugins | Route::ReloadPlugins | Route::Discover | Route::Check | Route::ClearCache => {
                match self.listener {
                    Listener::Public => Need::AdminKey,
                    Listener::Administration => Need::AdminKeyIfAny,
                }
            }
            // A client may know what becomes of its requests.
            Route::Providers | Route::Status | Route::StatusOf(_) => match self.listener {
                Listener::Public => Need::Key,
                Listener::Administration => Need::AdminKeyIfAny,
            },
            Route::Models | Route::Model(_) | Route::StoredResponse | Route::Operation(_) => Need::Key,
        };
        access::check(request, snapshot.config(), need).map(|_| ())
    }

    /// What the request is for, or the methods that its path has; none for a path that there is not.
    fn route(&self, request: &Request<Incoming>, snapshot: &Snapshot) -> Result<Route, &'static str> {
        let path = request.uri().path();
        let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        // A trailing slash is no reason for a redirect, which would turn a POST into a GET.
        let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        let administers = self.listener == Listener::Administration || snapshot.config().admin_listen.is_none();
        let (route, allowed) = match path {
            "/models" => (Route::Models, "GET, HEAD, OPTIONS"),
            "/health" => (Route::Health, "GET, HEAD"),
            "/ready" => (Route::Ready, "GET, HEAD"),
            "/metrics" => (Route::Metrics, "GET, HEAD"),
            "/providers" if administers => (Route::Providers, "GET, HEAD"),
            "/status" if administers => (Route::Status, "GET, HEAD"),
            "/check" if administers => (Route::Check, "POST"),
            "/cache/clear" if administers => (Route::ClearCache, "POST"),
            "/plugins" if administers => (Route::Plugins, "GET, HEAD"),
            "/plugins/reload" if administers => (Route::ReloadPlugins, "POST"),
            "/discover" if administers => (Route::Discover, "POST"),
            _ if administers && path.starts_with("/status/") => {
                (Route::StatusOf(models::decode(&path["/status/".len()..])), "GET, HEAD")
            }
            _ if path.starts_with("/responses/") => (Route::StoredResponse, "GET, POST, DELETE, OPTIONS"),
            _ => match (operations::at(path), path.strip_prefix("/models/")) {
                (Some(offer), _) => (Route::Operation(offer), "POST, OPTIONS"),
                (None, Some(id)) if !id.is_empty() => (Route::Model(models::decode(id)), "GET, HEAD, OPTIONS"),
                _ => return Err(""),
            },
        };
        let method = match *request.method() {
            Method::HEAD => "GET",
            ref method => method.as_str(),
        };
        if allowed.split(", ").any(|allowed| allowed == method) { Ok(route) } else { Err(allowed) }
    }

    /// A place among the requests in flight, if the gateway has room for one more.
    fn room(&self, peer: &Peer, limit: usize) -> Result<Place, Error> {
        // The listener for the administration stays as it is until everything else has ended.
        let is_last = self.listener == Listener::Administration && self.gateway.is_draining();
        if is_last || peer.turned_away == Some(TurnedAway::Draining) {
            self.shed.draining.count();
            return Err(draining());
        }
        if peer.turned_away == Some(TurnedAway::Full) {
            return Err(overloaded("too many connections"));
        }
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.in_flight));
        if taken >= limit {
            self.shed.requests.count();
            return Err(overloaded("too many requests in flight"));
        }
        // While nothing is in flight, it is not requests that hold the memory.
        if taken > 0 && self.gateway.is_short_of_memory() {
            self.shed.memory.count();
            return Err(overloaded("no memory for more requests"));
        }
        Ok(place)
    }
}

impl Handler for Api {
    type Body = ReplyBody;

    async fn call(&self, request: Request<Incoming>, peer: Peer) -> Response<ReplyBody> {
        let id = request_id::of(&request);
        let snapshot = self.gateway.snapshot();
        let cors = &snapshot.config().cors;
        let origin = cors::allowed(&request, cors);
        if request.method() == Method::OPTIONS && peer.refusal.is_none() {
            return cors::preflight(cors, origin, &id);
        }
        let reply = self.answer(request, peer, &snapshot, &id).await;
        let mut response = reply.into_response();
        request_id::set(&mut response, &id);
        cors::set(&mut response, cors, origin);
        response
    }
}

/// A place among the requests in flight, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The gateway is at one of its limits.
fn overloaded(what: &str) -> Error {
    let message = format!("The gateway has {what}. Try again later.");
    Error::new(Cause::Overloaded, message).with_code("overloaded").retryable(Some(AFTER_REFUSAL))
}

/// The gateway only ends what it has begun.
fn draining() -> Error {
    let message = "The gateway is about to stop and takes no new requests. Try again, and it will be another one.";
    Error::new(Cause::Overloaded, message).with_code("draining").retryable(Some(AFTER_REFUSAL))
}

/// Nothing is kept, so there is nothing to get, to cancel or to delete.
fn stored_response() -> Error {
    let message = "Responses are not stored here. Send the whole conversation as `input` of POST /v1/responses.";
    Error::invalid_request(message).with_code("unsupported_operation")
}

/// The answer for a path that there is not, or for a method that it does not have.
fn unknown(path: &str, allowed: &'static str) -> Reply {
    if allowed.is_empty() {
        let message = format!("There is no {path} here. The API begins at /v1, e.g. POST /v1/chat/completions.");
        return Reply::error(&Error::new(Cause::NotFound, message).with_code("unknown_url"));
    }
    let message = format!("{path} does not have this method. It has: {allowed}.");
    let error = Error::invalid_request(message).with_status(StatusCode::METHOD_NOT_ALLOWED);
    Reply::error(&error.with_code("method_not_allowed")).with_header(ALLOW, HeaderValue::from_static(allowed))
}
