//! Where a streamed answer comes from.

use std::sync::Arc;

use crate::error::Error;
use crate::pipeline::failure;
use crate::pipeline::provider::Provider;
use crate::pipeline::work::Work;
use crate::plugin::{Call, CallError, Event, Position, Progress, ResponseHead, StreamDecoder};
use crate::upstream::Events;

/// Where a streamed answer comes from.
pub(super) enum Source {
    /// An upstream.
    Upstream(Box<Upstream>),
    /// A plugin that answers by itself.
    Local(std::vec::IntoIter<String>),
    /// Nothing more comes, and the client does not know yet.
    Drained,
    /// The client has had everything.
    Ended,
}

/// An upstream's stream, and the plugin that translates it if it needs to be.
pub(super) struct Upstream {
    pub(super) events: Events,
    pub(super) decoder: Option<StreamDecoder>,
    /// Whether the plugin has said that the stream is complete.
    pub(super) has_ended: bool,
    provider: Provider,
    id: Arc<str>,
    call: Call,
    carry: Option<String>,
    head: ResponseHead,
}

impl Source {
    pub(super) fn upstream(
        provider: &Provider,
        work: &Work,
        carry: Option<String>,
        head: ResponseHead,
        events: Events,
    ) -> Self {
        Self::Upstream(Box::new(Upstream {
            events,
            decoder: None,
            has_ended: false,
            provider: provider.clone(),
            id: Arc::clone(&work.id),
            call: work.call.clone(),
            carry,
            head,
        }))
    }

    /// The same source with the plugin's decoder at work on it.
    pub(super) async fn decoding(self, resume: Option<Position>) -> Result<Self, Error> {
        let Self::Upstream(mut upstream) = self else { return Ok(self) };
        let plugin = upstream.provider.plugin();
        let (carry, resume) = (upstream.carry.as_deref(), resume.as_ref());
        let decoder = plugin.stream(&upstream.id, &upstream.call, carry, &upstream.head, resume).await;
        upstream.decoder = Some(decoder.map_err(|error| failure::of_call(&upstream.provider, error))?);
        Ok(Self::Upstream(upstream))
    }
}

impl Upstream {
    pub(super) async fn push(&mut self, events: &[Event]) -> Result<Progress, Error> {
        let Some(decoder) = &mut self.decoder else {
            return Err(Error::internal("events were pushed to a stream that has no decoder"));
        };
        decoder.push(events).await.map_err(|error| self.plugin_error(error))
    }

    pub(super) fn plugin_error(&self, error: CallError) -> Error {
        failure::of_answer(&self.provider, error, &None)
    }

    /// Lets go of the upstream and of the instance when both have done their work, so that others can use them.
    pub(super) fn release(self) {
        self.events.release();
        if let Some(decoder) = self.decoder {
            tokio::spawn(decoder.close());
        }
    }
}
