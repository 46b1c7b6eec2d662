//! Who may do what: the client's key against the configured ones.

use hyper::Request;
use hyper::header::AUTHORIZATION;

use crate::config::{Config, Key, KeySecret};
use crate::error::{Cause, Error};

/// What a request needs to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// A key, if any are configured.
    Key,
    /// A key that is marked for administration. Without one in the configuration, nobody is let in.
    AdminKey,
    /// The same, but on a listener that only operators reach: without one in the configuration, everybody is let in.
    AdminKeyIfAny,
}

/// How a request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access<'a> {
    /// No key is needed.
    Anonymous,
    /// With this key.
    Key(&'a Key),
}

/// Lets a request in, or says why not. It never says which part of a key was wrong, and never repeats one.
pub(super) fn check<'a, B>(request: &Request<B>, config: &'a Config, need: Need) -> Result<Access<'a>, Error> {
    let has_admin_key = config.keys.iter().any(|key| key.admin);
    match need {
        Need::Key if config.keys.is_empty() => return Ok(Access::Anonymous),
        Need::AdminKeyIfAny if !has_admin_key => return Ok(Access::Anonymous),
        Need::AdminKey if !has_admin_key => {
            let message = "The administration is closed: give a key `admin: true` in the configuration, or set \
                           `admin_listen` to a listener of its own.";
            return Err(Error::new(Cause::Permission, message).with_code("administration_closed"));
        }
        _ => {}
    }
    let key = find(presented(request), &config.keys)?;
    if need != Need::Key && !key.admin {
        let message = "This key may not be used for the administration.";
        return Err(Error::new(Cause::Permission, message).with_code("admin_key_required"));
    }
    Ok(Access::Key(key))
}

/// The key that a client sent.
fn presented<B>(request: &Request<B>) -> Option<&str> {
    let headers = request.headers();
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let named = || ["x-api-key", "api-key"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
    bearer.or_else(named).filter(|key| !key.is_empty())
}

fn find<'a>(presented: Option<&str>, keys: &'a [Key]) -> Result<&'a Key, Error> {
    let Some(presented) = presented else {
        let message = "No API key was sent. Send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.";
        return Err(Error::new(Cause::Authentication, message));
    };
    let presented = KeySecret::of(presented);
    // Every key is compared, so that the time it takes tells nothing of which one it might be.
    let found = keys.iter().fold(None, |found, key| if key.secret == presented { Some(key) } else { found });
    found.ok_or_else(|| Error::new(Cause::Authentication, "The API key is not one that this gateway knows."))
}
