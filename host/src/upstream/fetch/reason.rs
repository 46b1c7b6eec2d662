//! Why media were not fetched, as answers to the client: it chose the URL, so that every reason is a 400. Nothing of
//! where a name led to, or of what an address within the network said, is told.

use std::error::Error as StdError;
use std::time::Duration;

use hyper::StatusCode;
use hyper_util::client::legacy;

use super::dial::DialError;
use super::{MOST_URLS, url};
use crate::error::Error;
use crate::upstream::encoding::DecodeError;
use crate::upstream::fault;

/// The field that holds the URLs.
const PARAM: &str = "messages";
/// The code that clients of the OpenAI API know for it.
const CODE: &str = "invalid_image_url";

/// Why one URL was not fetched. The text ends the sentence "`<url>` could not be fetched:".
#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("this gateway fetches no media")]
    Disabled,
    #[error("it is not a valid URL")]
    Malformed,
    #[error("it is not an `http` or `https` URL")]
    Scheme,
    #[error("it holds a user name or password, which is not sent")]
    Credentials,
    #[error("its host name cannot be resolved")]
    Unresolved(String),
    #[error("its host, or one that it redirects to, has no public address")]
    NotAllowed,
    #[error("its host cannot be reached")]
    Unreachable(String),
    #[error("a secure connection to its host cannot be made")]
    Insecure(String),
    #[error("its host did not answer in valid HTTP")]
    NoAnswer(String),
    #[error("it took longer than {} seconds", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("it redirects more than {0} times")]
    Redirects(u32),
    #[error("it redirects to nowhere")]
    RedirectToNowhere,
    #[error("it redirects from `https` to `http`")]
    Downgrade,
    #[error("its host answered with status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("its host ended the answer early")]
    Broken(String),
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("with it, the media of the request are larger than {0} bytes together")]
    TooLargeTogether(usize),
    #[error("its content encoding `{0}` is not supported")]
    UnknownEncoding(String),
    #[error("it cannot be decompressed")]
    Corrupt(String),
    #[error("it is empty")]
    Empty,
    #[error("{}", unknown_type(.0.as_deref()))]
    MediaType(Option<String>),
}

impl Reason {
    /// No head of an answer came.
    pub(super) fn before_answer(error: &legacy::Error) -> Self {
        let detail = fault::chain(error);
        match fault::causes(error).find_map(<dyn StdError>::downcast_ref) {
            Some(DialError::NotAllowed) => Self::NotAllowed,
            Some(DialError::Unresolved(_)) => Self::Unresolved(detail),
            Some(DialError::Unreachable(_)) => Self::Unreachable(detail),
            None if error.is_connect() => Self::Insecure(detail),
            None => Self::NoAnswer(detail),
        }
    }

    /// The body cannot be decompressed into as many bytes.
    pub(super) fn decoding(error: &DecodeError, limit: usize) -> Self {
        match error {
            DecodeError::TooLarge => Self::TooLarge(limit),
            other => Self::Corrupt(other.to_string()),
        }
    }

    /// The answer to the client that sent this URL.
    pub(super) fn into_error(self, text: &str) -> Error {
        let message = format!("The media at `{}` could not be fetched: {self}.", url::shown(text));
        let error = refusal(match self {
            Self::Disabled => format!("{message} Send the file itself, as a `data:` URL."),
            _ => message,
        });
        match self {
            Self::Unresolved(detail)
            | Self::Unreachable(detail)
            | Self::Insecure(detail)
            | Self::NoAnswer(detail)
            | Self::Broken(detail)
            | Self::Corrupt(detail) => error.with_detail(detail),
            _ => error,
        }
    }
}

/// The answer to a request with too many URLs.
pub(super) fn too_many_urls(count: usize) -> Error {
    refusal(format!(
        "The request refers to {count} media by URL, but at most {MOST_URLS} are fetched for one request. Send others as \
         `data:` URLs."
    ))
}

fn refusal(message: String) -> Error {
    Error::invalid_field(PARAM, message).with_code(CODE)
}

fn unknown_type(claimed: Option<&str>) -> String {
    match claimed {
        Some(claimed) => format!("its type `{claimed}` is not one of an image, audio, video, PDF or plain text"),
        None => "its host does not say what type it is of".to_owned(),
    }
}
