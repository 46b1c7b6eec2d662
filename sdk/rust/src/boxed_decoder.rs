//! A decoder that is chosen for each stream, for plugins whose operations are streamed in different ways:
//! `type Decoder = Box<dyn StreamDecoder>`.

use crate::{Event, Failure, Progress, StreamDecoder};

impl StreamDecoder for Box<dyn StreamDecoder> {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        self.as_mut().push(events)
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        self.as_mut().finish()
    }

    fn park(&self) -> Option<String> {
        self.as_ref().park()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has one chunk at the end, and none before it.
    struct Late;

    impl StreamDecoder for Late {
        fn push(&mut self, _: Vec<Event>) -> Result<Progress, Failure> {
            Ok(Progress { chunks: Vec::new(), ended: true })
        }

        fn finish(&mut self) -> Result<Vec<String>, Failure> {
            Ok(vec!["last".to_owned()])
        }

        fn park(&self) -> Option<String> {
            Some("late".to_owned())
        }
    }

    #[test]
    fn a_boxed_decoder_does_what_is_in_the_box() {
        let mut decoder: Box<dyn StreamDecoder> = Box::new(Late);
        assert!(StreamDecoder::push(&mut decoder, Vec::new()).unwrap().ended);
        assert_eq!(StreamDecoder::park(&decoder).as_deref(), Some("late"));
        assert_eq!(StreamDecoder::finish(&mut decoder).unwrap(), ["last"]);
    }
}
