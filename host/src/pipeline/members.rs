//! The members of providers that have several endpoints: what is known of each group, and who of it gets a request.
//!
//! A provider with `endpoints` is a group. The provider itself has no upstream; each endpoint makes a member of it that
//! shares everything but the connections and what is measured on them. Who finds the endpoints is `endpoints`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Uri;
use tokio::time::Instant;

use super::draw::{self, Burden, Crowd};
use super::provider::Provider;
use crate::config::{self, Endpoints};

/// The groups of a snapshot, by the names of their providers. Never changed, only replaced.
#[derive(Clone, Default)]
pub(super) struct Groups(BTreeMap<String, Group>);

/// One of them.
#[derive(Clone)]
pub(super) struct Group {
    /// What the list or the registry said.
    found: Arc<[config::Member]>,
    /// In the order of their priorities.
    members: Arc<[Provider]>,
    /// Whose turn it is.
    turn: Arc<AtomicUsize>,
}

impl Groups {
    /// The groups of these providers, with the endpoints that are configured or were known before: a registry that has
    /// to be asked anew does not leave its provider without.
    pub(super) fn take_over(providers: &[Provider], before: Option<&Self>) -> Self {
        let group = |provider: &Provider| {
            let endpoints = provider.config().endpoints.as_ref()?;
            let before = before.and_then(|before| before.0.get(provider.name()));
            let found = match endpoints {
                Endpoints::List(members) => Arc::from(members.as_slice()),
                _ => before.map_or_else(|| Arc::from([]), |before| Arc::clone(&before.found)),
            };
            Some((provider.name().to_owned(), Group::new(provider, found, before)))
        };
        Self(providers.iter().filter_map(group).collect())
    }

    /// The same with other endpoints of this provider; `None` if they are the same ones.
    pub(super) fn with(&self, provider: &Provider, found: &[config::Member]) -> Option<Self> {
        let before = self.0.get(provider.name());
        if before.is_some_and(|before| *before.found == *found) {
            return None;
        }
        let mut groups = self.0.clone();
        groups.insert(provider.name().to_owned(), Group::new(provider, Arc::from(found), before));
        Some(Self(groups))
    }

    /// The members of this provider's group; none of a provider that is none.
    pub(super) fn members(&self, provider: &str) -> &[Provider] {
        self.0.get(provider).map_or(&[], |group| &group.members)
    }

    /// All members of all groups.
    pub(super) fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.values().flat_map(|group| group.members.iter())
    }

    /// Whose turn it is of this provider's members: another number each time. 0 for a provider that is no group.
    pub(super) fn turn(&self, provider: &str) -> usize {
        self.0.get(provider).map_or(0, |group| group.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// Who may be asked for a model of this provider: the provider itself, or the members of its group that have the
    /// model, as far as that is known. A group without any keeps the request, and says that it has nobody to send it to.
    pub(super) fn able<'a>(&'a self, provider: &'a Provider, model: &str) -> Vec<&'a Provider> {
        let members = self.members(provider.name());
        let knowing: Vec<&Provider> = members.iter().filter(|member| member.has_model(model)).collect();
        match (members.is_empty(), knowing.is_empty()) {
            (true, _) => vec![provider],
            (false, true) => members.iter().collect(),
            (false, false) => knowing,
        }
    }

    /// The same for one request: of a large group, a few that are drawn by chance.
    pub(super) fn drawn<'a>(&'a self, provider: &'a Provider, model: &str) -> Vec<&'a Provider> {
        let members = self.members(provider.name());
        if members.len() <= draw::MOST {
            return self.able(provider, model);
        }
        let now = Instant::now();
        let mut drawn = draw::draw(&Members { members, model, knowing: true, now });
        if drawn.is_empty() {
            drawn = draw::draw(&Members { members, model, knowing: false, now });
        }
        drawn.into_iter().map(|index| &members[index]).collect()
    }
}

/// A group as one model of it is asked for.
struct Members<'a> {
    members: &'a [Provider],
    model: &'a str,
    /// Whether only those count that have the model, as far as that is known.
    knowing: bool,
    now: Instant,
}

impl Crowd for Members<'_> {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn priority(&self, index: usize) -> u16 {
        self.members[index].member().map_or(0, |member| member.priority)
    }

    fn weight(&self, index: usize) -> u32 {
        self.members[index].member().map_or(1, |member| member.weight)
    }

    fn is_able(&self, index: usize) -> bool {
        !self.knowing || self.members[index].has_model(self.model)
    }

    fn burden(&self, index: usize) -> Burden {
        Burden::of(&self.members[index].standing(self.model).view(self.now))
    }
}

impl Group {
    /// Makes the members, taking over from those before at the same places. One that cannot be made is left out.
    fn new(provider: &Provider, found: Arc<[config::Member]>, before: Option<&Self>) -> Self {
        let old = |url: &Uri| {
            let mut members = before.iter().flat_map(|before| before.members.iter());
            members.find(|member| member.member().is_some_and(|member| member.url == *url))
        };
        let made = found.iter().map(|member| match provider.config().may_call(&member.url) {
            true => provider.member_at(member, old(&member.url)),
            false => Err("the credential would go over plain HTTP to another machine".to_owned()),
        });
        let (mut members, mut left_out) = (Vec::with_capacity(found.len()), Vec::new());
        for (member, made) in found.iter().zip(made) {
            match made {
                Ok(member) => members.push(member),
                Err(reason) => left_out.push((member.label(), reason)),
            }
        }
        members.sort_by_key(|member| member.member().map_or(0, |member| member.priority));
        if let Some((endpoint, reason)) = left_out.first() {
            let (provider, left_out) = (provider.name(), left_out.len());
            tracing::warn!(provider, left_out, endpoint, "endpoints are left out: {reason}");
        }
        let turn = before.map(|before| Arc::clone(&before.turn)).unwrap_or_default();
        Self { found, members: members.into(), turn }
    }
}
