//! The trait that a provider plugin implements, and the macro that makes a component of it.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use crate::{Call, Descriptor, Encoded, Event, Failure, Position, Progress, ResponseHead};

/// A translation between the OpenAI API and one upstream API.
///
/// The host makes an instance of the component, calls [`Provider::new`] once and then the others in any order and
/// number, for different requests. Nothing that a call leaves behind may matter to a later one.
pub trait Provider: Sized + 'static {
    /// The `settings` object of the provider's configuration.
    type Settings: DeserializeOwned;
    /// What translates one streamed answer.
    type Decoder: StreamDecoder;

    /// Says what the plugin is. Called once at load.
    fn describe() -> Descriptor;

    /// Takes the settings, already valid against the descriptor's schema. An error refuses the configuration.
    fn new(settings: Self::Settings) -> Result<Self, Failure>;

    /// Translates a request, given as a canonical document (empty for [`crate::Operation::Models`]).
    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure>;

    /// Translates a whole answer of any status into a canonical document, or into the failure that it tells of.
    fn decode(&self, call: &Call, carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure>;

    /// Starts to translate a streamed answer of status 2xx. `resume` is given when the host has relayed the first
    /// chunks by itself.
    fn stream(&self, call: Call, carry: Option<String>, head: ResponseHead, resume: Option<Position>) -> Self::Decoder;

    /// Goes on with a stream, from what [`StreamDecoder::park`] returned for it: with [`crate::unpark`] as a rule. Only
    /// called if decoders can be parked.
    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        let _ = state;
        Err(Failure::internal("these decoders are never parked"))
    }
}

/// The translation of one streamed answer.
pub trait StreamDecoder: 'static {
    /// Translates the events that have arrived since the last call, at least one. A failure ends the stream.
    ///
    /// The contract hands over a batch at a time. The SDK passes its events on one by one, so that a failure takes
    /// nothing with it that came before it: what the events up to there became still reaches the client.
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure>;

    /// Called once when the upstream ended the stream without `Progress::ended`. Whether the answer is complete is
    /// for the host to find out.
    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// What [`Provider::unpark`] needs to make the same decoder on another instance, or `None` to keep this one: with
    /// [`crate::park`] as a rule. Called between two pushes, when the upstream has been silent for a moment. A plugin
    /// whose decoders can be parked serves thousands of open streams with a few instances.
    fn park(&self) -> Option<String> {
        None
    }
}

/// Makes the component of a type that implements [`Provider`]: `weir_plugin::export_provider!(Anthropic);`
///
/// On targets other than Wasm it makes nothing, so that the same crate runs its tests natively.
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        #[cfg(target_arch = "wasm32")]
        mod weir_component {
            use super::*;
            use $crate::bindings::exports::weir::plugin::provider as contract;

            thread_local! {
                static CONFIGURED: $crate::Configured<$provider> = const { $crate::Configured::new() };
            }

            struct Component;

            struct Decoder($crate::DecoderCell<<$provider as $crate::Provider>::Decoder>);

            impl contract::Guest for Component {
                type StreamDecoder = Decoder;

                fn describe() -> contract::Descriptor {
                    <$provider as $crate::Provider>::describe()
                }

                fn configure(settings: String) -> Result<(), $crate::Failure> {
                    CONFIGURED.with(|configured| configured.configure(&settings, <$provider as $crate::Provider>::new))
                }

                fn encode(call: contract::Call, document: String) -> Result<contract::Encoded, $crate::Failure> {
                    CONFIGURED.with(|configured| {
                        $crate::Provider::encode(configured.get()?, &call, &document)
                    })
                }

                fn decode(
                    call: contract::Call,
                    carry: Option<String>,
                    head: contract::ResponseHead,
                    body: String,
                ) -> Result<String, $crate::Failure> {
                    CONFIGURED.with(|configured| {
                        $crate::Provider::decode(configured.get()?, &call, carry.as_deref(), &head, &body)
                    })
                }
            }

            impl contract::GuestStreamDecoder for Decoder {
                fn new(
                    call: contract::Call,
                    carry: Option<String>,
                    head: contract::ResponseHead,
                    resume: Option<contract::Position>,
                ) -> Self {
                    CONFIGURED.with(|configured| {
                        let decoder = configured.get();
                        Self($crate::DecoderCell::new(decoder.map(|provider| {
                            $crate::Provider::stream(provider, call, carry, head, resume)
                        })))
                    })
                }

                fn push(&self, events: Vec<contract::Event>) -> Result<contract::Progress, $crate::Failure> {
                    self.0.push(events)
                }

                fn finish(&self) -> Result<Vec<String>, $crate::Failure> {
                    self.0.finish()
                }

                fn park(&self) -> Option<String> {
                    self.0.park()
                }

                fn unpark(state: String) -> Result<contract::StreamDecoder, $crate::Failure> {
                    CONFIGURED.with(|configured| {
                        let decoder = $crate::Provider::unpark(configured.get()?, &state)?;
                        Ok(contract::StreamDecoder::new(Self($crate::DecoderCell::new(Ok(decoder)))))
                    })
                }
            }

            $crate::bindings::export_bindings!(Component with_types_in $crate::bindings);
        }
    };
}

/// A decoder behind the shared reference that the component model hands out.
#[doc(hidden)]
pub struct DecoderCell<D>(RefCell<Result<D, Failure>>);

impl<D: StreamDecoder> DecoderCell<D> {
    /// Wraps a decoder, or the failure to make one, which the first push reports.
    pub fn new(decoder: Result<D, Failure>) -> Self {
        Self(RefCell::new(decoder))
    }

    /// See [`StreamDecoder::push`]. A failure in the middle of a batch is kept for the next call.
    pub fn push(&self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut cell = self.0.borrow_mut();
        let decoder = cell.as_mut().map_err(|failure| failure.clone())?;
        let mut chunks = Vec::with_capacity(events.len());
        for event in events {
            match decoder.push(vec![event]) {
                Ok(progress) => {
                    chunks.extend(progress.chunks);
                    if progress.ended {
                        return Ok(Progress { chunks, ended: true });
                    }
                }
                Err(failure) if chunks.is_empty() => return Err(failure),
                Err(failure) => {
                    *cell = Err(failure);
                    break;
                }
            }
        }
        Ok(Progress { chunks, ended: false })
    }

    /// See [`StreamDecoder::finish`].
    pub fn finish(&self) -> Result<Vec<String>, Failure> {
        self.0.borrow_mut().as_mut().map_err(|failure| failure.clone())?.finish()
    }

    /// See [`StreamDecoder::park`]. One that has a failure to report keeps its instance until it has.
    pub fn park(&self) -> Option<String> {
        self.0.borrow().as_ref().ok()?.park()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a chunk of each event but `fail`.
    struct Echo;

    impl StreamDecoder for Echo {
        fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
            let chunks: Vec<String> = events.into_iter().map(|event| event.data).collect();
            match chunks.iter().any(|chunk| chunk == "fail") {
                true => Err(Failure::bad_answer("failed")),
                false => Ok(Progress { chunks, ended: false }),
            }
        }
    }

    fn events(data: &[&str]) -> Vec<Event> {
        data.iter().map(|data| Event { name: String::new(), data: (*data).to_owned() }).collect()
    }

    #[test]
    fn a_failure_in_the_middle_of_a_batch_waits_until_what_came_before_is_handed_over() {
        let decoder = DecoderCell::new(Ok(Echo));
        assert_eq!(decoder.push(events(&["a", "b", "fail", "c"])).unwrap().chunks, ["a", "b"]);
        assert_eq!(decoder.push(events(&["d"])).unwrap_err().message, "failed");
        assert_eq!(decoder.finish().unwrap_err().message, "failed");
        assert_eq!(decoder.park(), None);
        assert!(DecoderCell::new(Ok(Echo)).push(events(&["fail"])).is_err());
    }
}
