//! A streamed answer on its way to the client.
//!
//! Whatever the upstream sends, the client sees the one [grammar] of its operation, told in its own dialect by a
//! [voice]. Events that conform are relayed as the bytes they came as; from the first one that does not, the plugin
//! translates the rest. Nothing is read from the upstream before the client has taken what was read already.

mod content;
mod grammar;
mod silence;
mod source;
mod voice;

use bytes::{Bytes, BytesMut};

use self::grammar::Grammar;
use self::silence::Silence;
use self::source::Source;
use self::voice::Voice;
use super::account::Account;
use super::ongoing::Ongoing;
use super::provider::Provider;
use super::work::Work;
use crate::chat::stream::Verdict;
use crate::config::Timeouts;
use crate::error::Error;
use crate::plugin::{self, Position, ResponseHead, UpstreamRequest};
use crate::upstream::{Batch, Event, Events};

const DONE: &str = "[DONE]";

/// A streamed answer. Dropping it cancels the upstream's call.
pub struct Relay {
    source: Source,
    grammar: Grammar,
    voice: Voice,
    silence: Silence,
    /// What `open` has read ahead.
    first: Option<Bytes>,
    account: Option<Account>,
    /// The attempt that the stream is the answer of.
    ongoing: Option<Ongoing>,
}

/// What reading on gave.
enum Step {
    /// Bytes for the client, perhaps none yet.
    Bytes(Bytes),
    /// The upstream has said all it has to say.
    Ended,
}

impl Relay {
    /// Opens the stream of an upstream: returns when there is something for the client, so that an error before that
    /// keeps its HTTP status.
    pub(super) async fn open(
        provider: &Provider,
        timeouts: &Timeouts,
        work: &mut Work,
        upstream: &UpstreamRequest,
        head: ResponseHead,
        events: Events,
    ) -> Result<Self, Error> {
        let source = Source::upstream(provider, work, upstream, head, events);
        let silence = Silence::new(timeouts);
        Self::begin(source, work, silence).await
    }

    /// Opens the stream of a plugin that answers by itself.
    pub(super) async fn local(chunks: Vec<String>, work: &mut Work) -> Result<Self, Error> {
        Self::begin(Source::Local(chunks.into_iter()), work, Silence::unbounded()).await
    }

    async fn begin(source: Source, work: &mut Work, silence: Silence) -> Result<Self, Error> {
        let (grammar, voice) = (Grammar::of(&work.call), Voice::of(work.dialect()?));
        let mut relay = Self { source, grammar, voice, silence, first: None, account: None, ongoing: None };
        loop {
            match relay.step().await? {
                Step::Bytes(bytes) if bytes.is_empty() => {}
                Step::Bytes(bytes) => {
                    relay.silence.has_begun();
                    relay.first = Some(bytes);
                    return Ok(relay);
                }
                Step::Ended => {
                    let closing = relay.close().await?;
                    relay.first = Some(closing);
                    return Ok(relay);
                }
            }
        }
    }

    /// Hands over the account of the request, to be closed when the stream ends, however it does.
    pub(super) fn set_account(&mut self, account: Account) {
        self.account = Some(account);
    }

    /// Hands over the attempt that this is the answer of, to be told how the stream ends.
    pub(super) fn set_ongoing(&mut self, ongoing: Ongoing) {
        self.ongoing = Some(ongoing);
    }

    /// The next bytes for the client; `None` after the last.
    pub async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if matches!(self.source, Source::Ended) {
                self.settle(None);
                return None;
            }
            match self.step().await {
                // A sign of life of the upstream becomes one for the client.
                Ok(Step::Bytes(bytes)) if bytes.is_empty() => {
                    if self.silence.was_long() {
                        return Some(self.voice.keep_alive());
                    }
                }
                Ok(Step::Bytes(bytes)) => return Some(bytes),
                Ok(Step::Ended) => match self.close().await {
                    Ok(closing) => return Some(closing),
                    Err(error) => return Some(self.fail(error)),
                },
                Err(error) => return Some(self.fail(error)),
            }
        }
    }

    /// Reads on and translates what came.
    async fn step(&mut self) -> Result<Step, Error> {
        match &mut self.source {
            Source::Drained | Source::Ended => Ok(Step::Ended),
            Source::Local(chunks) => match chunks.next() {
                Some(chunk) => {
                    let mut out = BytesMut::new();
                    self.say(chunk, &mut out)?;
                    Ok(Step::Bytes(out.freeze()))
                }
                None => Ok(Step::Ended),
            },
            Source::Upstream(upstream) => {
                let (next, rest) = upstream.next_or_rest();
                let batch = match self.silence.wait(next, rest).await? {
                    Some(batch) => batch?,
                    None => return Box::pin(self.rest()).await,
                };
                self.silence.heard(!batch.is_empty());
                if upstream.translates { self.translate(batch).await } else { self.forward(batch).await }
            }
        }
    }

    /// Relays the events that conform. From the first that does not, the plugin takes over.
    async fn forward(&mut self, batch: Batch) -> Result<Step, Error> {
        let mut out = Out::default();
        let mut events = batch.into_iter();
        while let Some(event) = events.next() {
            if event.data() == DONE.as_bytes() {
                self.end_source();
                return Ok(out.or_ended());
            }
            match self.grammar.admit(event.data()) {
                Verdict::Relay => {
                    self.silence.said(event.data());
                    self.voice.relay(&event, &mut out)?;
                }
                Verdict::Drop => {}
                verdict => {
                    tracing::debug!("a stream is handed to the plugin: {verdict:?}");
                    let rest: Vec<Event> = std::iter::once(event).chain(events).collect();
                    for event in rest.iter().filter(|event| memchr::memmem::find(event.data(), b"\"usage\"").is_some())
                    {
                        self.grammar.note_usage(event.text());
                    }
                    return Box::pin(self.take_over(out, rest)).await;
                }
            }
        }
        Ok(Step::Bytes(out.into_bytes()))
    }

    /// Hands the stream to the plugin, from these events on.
    async fn take_over(&mut self, out: Out, rest: Vec<Event>) -> Result<Step, Error> {
        let position = self.grammar.position();
        let position = position.map(|(id, created, model)| Position { id: id.into(), created, model: model.into() });
        if let Source::Upstream(upstream) = &mut self.source {
            upstream.hand_over(position);
        }
        let outcome = self.push(rest.iter()).await;
        match (outcome, out.is_empty()) {
            // What came before the error was good and must not be lost.
            (Err(error), false) => {
                self.source = Source::Ended;
                let mut out = out.into_buffer();
                out.extend_from_slice(&self.fail(error));
                Ok(Step::Bytes(out.freeze()))
            }
            (Err(error), true) => Err(error),
            (Ok(translated), _) => {
                let mut out = out.into_buffer();
                out.extend_from_slice(&translated);
                let has_ended = self.take_ended();
                if out.is_empty() && has_ended { Ok(Step::Ended) } else { Ok(Step::Bytes(out.freeze())) }
            }
        }
    }

    /// Has the plugin translate a batch.
    async fn translate(&mut self, batch: Batch) -> Result<Step, Error> {
        if batch.is_empty() {
            return Ok(Step::Bytes(Bytes::new()));
        }
        let bytes = self.push(batch.iter()).await?;
        let has_ended = self.take_ended();
        if bytes.is_empty() && has_ended { Ok(Step::Ended) } else { Ok(Step::Bytes(bytes)) }
    }

    async fn push(&mut self, events: impl Iterator<Item = &Event>) -> Result<Bytes, Error> {
        let Source::Upstream(upstream) = &mut self.source else { return Ok(Bytes::new()) };
        let events: Vec<plugin::Event> = events
            .map(|event| plugin::Event { name: event.name().to_owned(), data: event.text().to_owned() })
            .collect();
        let progress = upstream.push(&events).await?;
        upstream.has_ended = progress.ended;
        self.write_all(progress.chunks)
    }

    fn write_all(&mut self, chunks: Vec<String>) -> Result<Bytes, Error> {
        let mut out = BytesMut::with_capacity(chunks.iter().map(|chunk| chunk.len() + 8).sum());
        for chunk in chunks {
            self.say(chunk, &mut out)?;
        }
        Ok(out.freeze())
    }

    /// Tells the client one chunk of a plugin's, made to conform where it does not.
    fn say(&mut self, chunk: String, out: &mut BytesMut) -> Result<(), Error> {
        // A line end can only stand between tokens; inside an event it would start a new field.
        let chunk = if memchr::memchr2(b'\n', b'\r', chunk.as_bytes()).is_some() {
            chunk.replace(['\n', '\r'], " ")
        } else {
            chunk
        };
        self.silence.said(chunk.as_bytes());
        match self.grammar.admit(chunk.as_bytes()) {
            Verdict::Relay => self.voice.chunk(&chunk, out),
            Verdict::Drop => Ok(()),
            Verdict::Failed(error) => Err(error),
            Verdict::Departs(reason) => {
                self.grammar.repair(&chunk, reason)?.iter().try_for_each(|chunk| self.voice.chunk(chunk, out))
            }
        }
    }

    /// What is left when the upstream has closed the stream: an event that stood unfinished, and what the plugin owes.
    async fn rest(&mut self) -> Result<Step, Error> {
        let Source::Upstream(upstream) = &mut self.source else { return Ok(Step::Ended) };
        // An event without its blank line counts if it is complete: a cut document does not parse.
        let trailing = upstream.events.trailing().map(|trailing| trailing.event.clone());
        let trailing = trailing.filter(|event| event.data() == DONE.as_bytes() || is_json(event.data()));
        let mut out = BytesMut::new();
        if let Some(event) = trailing.filter(|event| event.data() != DONE.as_bytes()) {
            let batch = Batch::from(event);
            let step = if upstream.translates { self.translate(batch).await } else { self.forward(batch).await }?;
            if let Step::Bytes(bytes) = step {
                out.extend_from_slice(&bytes);
            }
        }
        if let Source::Upstream(upstream) = &mut self.source
            && upstream.translates
        {
            let owed = upstream.finish().await?;
            out.extend_from_slice(&self.write_all(owed)?);
        }
        self.end_source();
        Ok(if out.is_empty() { Step::Ended } else { Step::Bytes(out.freeze()) })
    }

    /// Whether the plugin has said that the stream is complete; the upstream is let go if so.
    fn take_ended(&mut self) -> bool {
        let has_ended = matches!(&self.source, Source::Upstream(upstream) if upstream.has_ended);
        if has_ended {
            self.end_source();
        }
        has_ended
    }

    fn end_source(&mut self) {
        if let Source::Upstream(upstream) = std::mem::replace(&mut self.source, Source::Drained) {
            upstream.release();
        }
    }

    /// The end of a complete answer, with the usage that is still owed.
    async fn close(&mut self) -> Result<Bytes, Error> {
        self.end_source();
        let usage = self.grammar.end()?;
        let mut out = BytesMut::new();
        if let Some(usage) = usage {
            self.voice.chunk(&usage, &mut out)?;
        }
        self.source = Source::Ended;
        self.voice.end(&mut out);
        Ok(out.freeze())
    }

    /// The end of an answer that broke off, in the form that SDKs raise as an error.
    fn fail(&mut self, error: Error) -> Bytes {
        self.source = Source::Ended;
        let mut out = BytesMut::new();
        let error = match &self.account {
            Some(account) => account.scrub(error),
            None => error,
        };
        self.voice.fail(&error, &mut out);
        self.settle(Some(error));
        out.freeze()
    }

    /// Closes the account, once.
    fn settle(&mut self, error: Option<Error>) {
        if let Some(ongoing) = self.ongoing.take() {
            match &error {
                Some(error) => ongoing.failed(error),
                None => ongoing.succeeded(self.grammar.usage()),
            }
        }
        let Some(mut account) = self.account.take() else { return };
        account.set_usage(self.grammar.usage());
        match error {
            Some(error) => account.failed(&error),
            None => account.succeeded(),
        }
    }
}

impl Drop for Relay {
    /// The client left before the end: what it used until then is still counted.
    fn drop(&mut self) {
        if let Some(account) = &mut self.account {
            account.set_usage(self.grammar.usage());
        }
    }
}

fn is_json(data: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
}

/// Bytes for the client: one event alone, as nearly always, is not copied.
#[derive(Default)]
struct Out {
    first: Option<Bytes>,
    more: BytesMut,
}

impl Out {
    fn push(&mut self, event: Bytes) {
        match self.first.take() {
            None if self.more.is_empty() => self.first = Some(event),
            None => self.more.extend_from_slice(&event),
            Some(first) => {
                self.more.reserve(first.len() + event.len());
                self.more.extend_from_slice(&first);
                self.more.extend_from_slice(&event);
            }
        }
    }

    /// Where bytes that are no slices of what came are added.
    fn buffer(&mut self) -> &mut BytesMut {
        if let Some(first) = self.first.take() {
            self.more.extend_from_slice(&first);
        }
        &mut self.more
    }

    fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }

    fn into_bytes(self) -> Bytes {
        self.first.unwrap_or_else(|| self.more.freeze())
    }

    fn into_buffer(self) -> BytesMut {
        self.first.map_or(self.more, |first| BytesMut::from(&*first))
    }

    fn or_ended(self) -> Step {
        if self.is_empty() { Step::Ended } else { Step::Bytes(self.into_bytes()) }
    }
}
