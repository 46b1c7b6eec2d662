//! Media that a request refers to by URL, for upstreams that only take them inline.

use super::failure;
use super::provider::Provider;
use super::snapshot::Snapshot;
use super::work::Work;
use crate::chat::media;
use crate::chat::request::Peek;
use crate::dialect::messages;
use crate::error::Error;
use crate::plugin::Operation;

/// Fetches these URLs and puts what they hold in their places in the document.
pub(super) async fn put_inline(
    work: &mut Work,
    snapshot: &Snapshot,
    provider: &Provider,
    urls: &[String],
) -> Result<(), Error> {
    let document = std::str::from_utf8(&work.body).map_err(|_| Error::internal("the body was checked before"))?;
    let is_native = matches!(work.call.operation, Operation::Messages | Operation::CountTokens);
    let named = if is_native { messages::media::urls(document) } else { media::urls(document) }?;
    if urls.iter().any(|url| !named.contains(url)) {
        // A plugin must not send what it likes to wherever it likes, hidden in a URL.
        return Err(failure::broken_plugin(provider, "it wants something fetched that the request does not refer to"));
    }
    let fetched = snapshot.fetcher().fetch_all(urls).await?;
    let data: Vec<(String, String)> = urls
        .iter()
        .zip(&fetched)
        .map(|(url, media)| (url.clone(), media::data_url(&media.media_type, &media.bytes)))
        .collect();
    if is_native {
        let document = messages::media::inline(document, &data)?;
        work.peek = Peek::other(document.as_bytes(), Some(&work.peek.model), "messages")?;
        work.body = document.into();
        return Ok(());
    }
    let document = media::inline(document, &data)?;
    work.peek = Peek::chat(document.as_bytes(), Some(&work.peek.model))?;
    work.body = document.into();
    Ok(())
}
