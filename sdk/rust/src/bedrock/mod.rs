//! What all that is asked of Amazon Bedrock has in common, whichever of its APIs is spoken: its errors, and the frames
//! around a streamed answer of `InvokeModel`. How requests are signed and frames are cut is the host's.

mod failure;
mod frames;

pub use self::failure::{of_answer, of_event, unreadable};
pub use self::frames::{Unwrapped, unwrap};
