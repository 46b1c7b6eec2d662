//! The translation of one streamed answer.
//!
//! While there is something to translate, the stream has an instance to itself, so that a trap is that stream's alone.
//! While it waits for its upstream, the decoder is parked if it can be: what it knows is kept as text, and the instance
//! serves others.

use std::sync::Arc;

use wasmtime::component::ResourceAny;

use super::bindings::provider::ProviderPlugin as World;
use super::bindings::provider::exports::weir::plugin::provider::{Call, Event, Position, Progress, ResponseHead};
use super::call::{CallError, Fault, Function, bounded};
use super::instance::{self, Instance};
use super::limits::PARKED_BYTES;
use super::provider::ProviderPlugin;

/// The translation of one streamed answer.
///
/// Dropping it drops its instance, if it has one; [`StreamDecoder::close`] gives that back for other calls.
pub struct StreamDecoder {
    plugin: Arc<ProviderPlugin>,
    id: Arc<str>,
    place: Place,
}

/// Where the decoder is.
enum Place {
    /// On an instance.
    Seated(Box<Seat>),
    /// Nowhere: this is its state.
    Parked(Box<str>),
}

/// An instance that belongs to one stream, and the decoder on it.
struct Seat {
    instance: Instance<World>,
    decoder: ResourceAny,
    /// Whether the decoder has said that it cannot be parked.
    stays: bool,
}

impl StreamDecoder {
    /// Starts. See `wit/provider.wit`.
    pub(super) async fn open(
        plugin: &Arc<ProviderPlugin>,
        id: &Arc<str>,
        call: &Call,
        carry: Option<&str>,
        head: &ResponseHead,
        resume: Option<&Position>,
    ) -> Result<Self, CallError> {
        let guest = &plugin.guest;
        let mut instance = guest.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let decoder = bindings.weir_plugin_provider().stream_decoder();
        let opening = decoder.call_constructor(&mut *store, call, carry, head, resume);
        let outcome = bounded(&guest.limits, opening).await;
        let decoder = guest.settle(Function::StreamOpen, store, outcome)?;
        let place = Place::Seated(Box::new(Seat { instance, decoder, stays: false }));
        Ok(Self { plugin: Arc::clone(plugin), id: Arc::clone(id), place })
    }

    /// Translates the events that have arrived. After an error of either kind the decoder must be dropped.
    pub async fn push(&mut self, events: &[Event]) -> Result<Progress, CallError> {
        self.unpark().await?;
        let (plugin, Seat { instance, decoder, .. }) = self.seat()?;
        let Instance { store, bindings, .. } = instance;
        let contract = bindings.weir_plugin_provider().stream_decoder();
        let outcome = bounded(&plugin.guest.limits, contract.call_push(&mut *store, *decoder, events)).await;
        let progress = plugin.guest.settle(Function::StreamPush, store, outcome)?.map_err(CallError::Failure)?;
        plugin.check_output(progress.chunks.iter().map(String::len).sum())?;
        Ok(progress)
    }

    /// Asks for what is still owed when the upstream has ended the stream by itself. Errors as for
    /// [`push`](Self::push).
    pub async fn finish(&mut self) -> Result<Vec<String>, CallError> {
        self.unpark().await?;
        let (plugin, Seat { instance, decoder, .. }) = self.seat()?;
        let Instance { store, bindings, .. } = instance;
        let contract = bindings.weir_plugin_provider().stream_decoder();
        let outcome = bounded(&plugin.guest.limits, contract.call_finish(&mut *store, *decoder)).await;
        plugin.guest.settle(Function::StreamFinish, store, outcome)?.map_err(CallError::Failure)
    }

    /// Whether it holds an instance that it could do without.
    pub fn can_park(&self) -> bool {
        matches!(&self.place, Place::Seated(seat) if !seat.stays)
    }

    /// Whether the instance is needed elsewhere as soon as there is nothing to translate.
    pub fn is_in_demand(&self) -> bool {
        self.plugin.guest.is_crowded()
    }

    /// Gives the instance back until there is something to translate again. A decoder that cannot be parked keeps its
    /// own and is not asked again. Errors as for [`push`](Self::push).
    pub async fn park(&mut self) -> Result<(), CallError> {
        if !self.can_park() {
            return Ok(());
        }
        let (plugin, Seat { instance, decoder, stays }) = self.seat()?;
        let Instance { store, bindings, .. } = instance;
        let contract = bindings.weir_plugin_provider().stream_decoder();
        let outcome = bounded(&plugin.guest.limits, contract.call_park(&mut *store, *decoder)).await;
        let state = plugin.guest.settle(Function::StreamPark, store, outcome)?;
        let Some(state) = state.filter(|state| state.len() <= PARKED_BYTES) else {
            *stays = true;
            return Ok(());
        };
        if let Place::Seated(seat) = std::mem::replace(&mut self.place, Place::Parked(state.into())) {
            seat.leave(&self.plugin, &self.id).await;
        }
        Ok(())
    }

    /// Ends the stream and gives its instance back for other calls.
    pub async fn close(self) {
        if let Place::Seated(seat) = self.place {
            seat.leave(&self.plugin, &self.id).await;
        }
    }

    /// Takes a seat again, if it has none.
    async fn unpark(&mut self) -> Result<(), CallError> {
        if let Place::Parked(state) = &self.place {
            // Boxed: streams that do not pause need no room for it.
            self.place = Place::Seated(Box::pin(take_seat(&self.plugin, &self.id, state)).await?);
        }
        Ok(())
    }

    /// The seat, ready for a call, and whose it is.
    fn seat(&mut self) -> Result<(&ProviderPlugin, &mut Seat), Fault> {
        match &mut self.place {
            Place::Seated(seat) => {
                instance::prepare(&mut seat.instance.store, &self.plugin.guest.limits, &self.id);
                Ok((&self.plugin, seat))
            }
            Place::Parked(_) => Err(Fault::Trap("the decoder is parked".into())),
        }
    }
}

impl Seat {
    /// Drops the decoder and gives the instance back.
    async fn leave(self, plugin: &ProviderPlugin, id: &Arc<str>) {
        let (guest, mut instance) = (&plugin.guest, self.instance);
        instance::prepare(&mut instance.store, &guest.limits, id);
        let dropping = self.decoder.resource_drop_async(&mut instance.store);
        let (dropped, _) = bounded(&guest.limits, dropping).await;
        if dropped.is_ok() {
            guest.give_back(instance);
        }
    }
}

/// Makes a decoder of its state, on any instance.
async fn take_seat(plugin: &ProviderPlugin, id: &Arc<str>, state: &str) -> Result<Box<Seat>, CallError> {
    let guest = &plugin.guest;
    let mut instance = guest.lease_soon(id).await?;
    let Instance { store, bindings, .. } = &mut instance;
    let contract = bindings.weir_plugin_provider().stream_decoder();
    let outcome = bounded(&guest.limits, contract.call_unpark(&mut *store, state)).await;
    let decoder = guest.settle(Function::StreamUnpark, store, outcome)?.map_err(CallError::Failure)?;
    Ok(Box::new(Seat { instance, decoder, stays: false }))
}
