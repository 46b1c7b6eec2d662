//! Where a streamed answer comes from.

use std::sync::Arc;

use super::silence::Rest;
use crate::error::Error;
use crate::pipeline::failure;
use crate::pipeline::provider::Provider;
use crate::pipeline::work::Work;
use crate::plugin::{
    Call, CallError, Event, Position, Progress, ResponseHead, ResponseMode, StreamDecoder, UpstreamRequest,
};
use crate::upstream::{Batch, Events};

/// What comes next of an upstream's stream, or `None` at its end.
type Next = Option<Result<Batch, Error>>;

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
    /// Whether the plugin translates what comes.
    pub(super) translates: bool,
    /// Whether the plugin has said that the stream is complete.
    pub(super) has_ended: bool,
    provider: Provider,
    /// There once there has been something to translate.
    decoder: Option<StreamDecoder>,
    /// What it takes to make the decoder, until there is one.
    opening: Option<Box<Opening>>,
}

/// What the plugin has to know of an answer that it is to translate.
struct Opening {
    id: Arc<str>,
    call: Call,
    carry: Option<String>,
    head: ResponseHead,
    resume: Option<Position>,
}

impl Source {
    pub(super) fn upstream(
        provider: &Provider,
        work: &Work,
        upstream: &UpstreamRequest,
        head: ResponseHead,
        events: Events,
    ) -> Self {
        let (id, call) = (Arc::clone(&work.id), work.call.clone());
        let opening = Opening { id, call, carry: upstream.carry.clone(), head, resume: None };
        Self::Upstream(Box::new(Upstream {
            events,
            translates: upstream.response == ResponseMode::Decode,
            has_ended: false,
            provider: provider.clone(),
            decoder: None,
            opening: Some(Box::new(opening)),
        }))
    }
}

impl Upstream {
    /// From now on, the plugin translates what comes. The client has had what came until there.
    pub(super) fn hand_over(&mut self, position: Option<Position>) {
        self.translates = true;
        if let Some(opening) = &mut self.opening {
            opening.resume = position;
        }
    }

    /// Has the plugin translate events.
    pub(super) async fn push(&mut self, events: &[Event]) -> Result<Progress, Error> {
        let pushed = self.decoder().await?.push(events).await;
        pushed.map_err(|error| self.plugin_error(error))
    }

    /// What the plugin still owes when the upstream has ended the stream by itself.
    pub(super) async fn finish(&mut self) -> Result<Vec<String>, Error> {
        let owed = self.decoder().await?.finish().await;
        owed.map_err(|error| self.plugin_error(error))
    }

    /// What comes next; and what to do when the upstream pauses, if there is something to do.
    pub(super) fn next_or_rest(
        &mut self,
    ) -> (impl Future<Output = Next> + Send, Option<Rest<impl Future<Output = Result<(), Error>> + Send>>) {
        let Self { events, decoder, provider, .. } = self;
        let decoder = decoder.as_mut().filter(|decoder| decoder.can_park());
        let rest = decoder.map(|decoder| Rest {
            at_once: decoder.is_in_demand(),
            work: async {
                // Boxed: every wait would otherwise make room for it.
                let parked = Box::pin(decoder.park()).await;
                parked.map_err(|error| failure::of_answer(provider, error, &None))
            },
        });
        (events.next(), rest)
    }

    /// The decoder, which is made when it is needed first: an upstream may take long to begin.
    async fn decoder(&mut self) -> Result<&mut StreamDecoder, Error> {
        if let Some(opening) = self.opening.take() {
            let decoder = Box::pin(opening.open(&self.provider)).await;
            self.decoder = Some(decoder.map_err(|error| failure::of_call(&self.provider, error))?);
        }
        self.decoder.as_mut().ok_or_else(|| Error::internal("a stream goes on after its decoder failed"))
    }

    fn plugin_error(&self, error: CallError) -> Error {
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

impl Opening {
    async fn open(self, provider: &Provider) -> Result<StreamDecoder, CallError> {
        let Self { id, call, carry, head, resume } = self;
        provider.plugin().stream(&id, &call, carry.as_deref(), &head, resume.as_ref()).await
    }
}
