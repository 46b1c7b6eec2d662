//! Each kind of registry against a server that speaks its protocol over a socket.

mod consul;
mod dns;
mod json;
mod kubernetes;
mod server;

use std::sync::Arc;
use std::time::Duration;

use super::{Listing, Registry, RegistryError, Watch};
use crate::config::Endpoints;

/// What is long enough for anything that is to happen at once, on a machine with other things to do.
const SOON: Duration = Duration::from_secs(5);

fn watch(endpoints: &Endpoints) -> Watch {
    Arc::new(Registry::new(endpoints, Duration::from_secs(60)).unwrap().unwrap()).watch()
}

/// What the registry says next.
async fn next(watch: &mut Watch) -> Result<Listing, RegistryError> {
    tokio::time::timeout(SOON, watch.next()).await.expect("the registry is silent")
}

/// The URLs of what it says next.
async fn urls(watch: &mut Watch) -> Vec<String> {
    urls_of(&next(watch).await.unwrap())
}

fn urls_of(listing: &Listing) -> Vec<String> {
    listing.members.iter().map(|member| member.url.to_string()).collect()
}

/// Why it says nothing.
async fn failure(watch: &mut Watch) -> String {
    next(watch).await.unwrap_err().to_string()
}
