//! Decoders that can be parked: their state as text, and back.
//!
//! The text is for the same component to read, so it is as short as it can be and says nothing of itself: one value
//! behind the other, without names. That takes a tenth of the code that a format for others would, in every plugin.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::to_text;
use crate::{Call, Failure, Header, Operation, Position};

/// Plain data, of which a decoder consists that can be parked. [`parkable!`](crate::parkable) makes it of a type.
pub trait Parkable: Sized {
    /// Adds the value to a state.
    fn write(&self, state: &mut String);

    /// Takes the value from the front of a state. `None` if there is none.
    fn read(state: &mut &str) -> Option<Self>;
}

/// Makes types [`Parkable`] that consist of parkable fields, which it takes by their names: `0` for a tuple's.
///
/// ```
/// struct Stream { id: String, block: Option<Block> }
/// enum Block { Text { start: u64 }, Thinking }
///
/// weir_plugin::parkable!(struct Stream { id, block });
/// weir_plugin::parkable!(enum Block { Text { start }, Thinking {} });
///
/// let state = weir_plugin::park(&Stream { id: "a".to_owned(), block: Some(Block::Text { start: 7 }) }).unwrap();
/// let stream: Stream = weir_plugin::unpark(&state).unwrap();
/// assert!(stream.id == "a" && matches!(stream.block, Some(Block::Text { start: 7 })));
/// ```
#[macro_export]
macro_rules! parkable {
    (struct $name:ident { $($field:tt),* $(,)? }) => {
        // One without fields has nothing to write.
        #[allow(unused_variables)]
        impl $crate::Parkable for $name {
            fn write(&self, state: &mut String) {
                $($crate::Parkable::write(&self.$field, state);)*
            }

            fn read(state: &mut &str) -> Option<Self> {
                Some(Self { $($field: $crate::Parkable::read(state)?),* })
            }
        }
    };
    (enum $name:ident { $($variant:ident { $($field:tt),* $(,)? }),* $(,)? }) => {
        impl $crate::Parkable for $name {
            fn write(&self, state: &mut String) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        $crate::write_text(stringify!($variant), state);
                        $($crate::Parkable::write($field, state);)*
                    })*
                }
            }

            fn read(state: &mut &str) -> Option<Self> {
                match $crate::read_text(state)? {
                    $(stringify!($variant) => Some(Self::$variant { $($field: $crate::Parkable::read(state)?),* }),)*
                    _ => None,
                }
            }
        }
    };
}

/// What [`crate::StreamDecoder::park`] returns for a decoder that is parkable:
/// `fn park(&self) -> Option<String> { weir_plugin::park(self) }`
pub fn park(decoder: &impl Parkable) -> Option<String> {
    let mut state = String::with_capacity(256);
    decoder.write(&mut state);
    Some(state)
}

/// The decoder again, for [`crate::Provider::unpark`]:
/// `fn unpark(&self, state: &str) -> Result<Stream, Failure> { weir_plugin::unpark(state) }`
///
/// # Errors
/// For what is not the state of such a decoder.
pub fn unpark<D: Parkable>(mut state: &str) -> Result<D, Failure> {
    let decoder = D::read(&mut state).filter(|_| state.is_empty());
    decoder.ok_or_else(|| Failure::internal("this is not the state of a parked stream"))
}

/// A text: its length in bytes and then itself.
#[doc(hidden)]
pub fn write_text(text: &str, state: &mut String) {
    write_number(text.len() as u64, state);
    state.push_str(text);
}

#[doc(hidden)]
pub fn read_text<'a>(state: &mut &'a str) -> Option<&'a str> {
    let length = usize::try_from(read_number(state)?).ok()?;
    let (text, rest) = state.split_at_checked(length)?;
    *state = rest;
    Some(text)
}

/// A number: its digits and a comma.
fn write_number(mut number: u64, state: &mut String) {
    let mut digits = [b','; 21];
    let mut first = digits.len() - 1;
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    state.extend(digits[first..].iter().copied().map(char::from));
}

fn read_number(state: &mut &str) -> Option<u64> {
    let (digits, rest) = state.split_once(',')?;
    *state = rest;
    digits.parse().ok()
}

impl Parkable for String {
    fn write(&self, state: &mut String) {
        write_text(self, state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        read_text(state).map(str::to_owned)
    }
}

/// For names that are constants but for those that come back.
impl Parkable for Cow<'static, str> {
    fn write(&self, state: &mut String) {
        write_text(self, state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        String::read(state).map(Cow::Owned)
    }
}

macro_rules! parkable_numbers {
    ($($number:ty)*) => {$(
        impl Parkable for $number {
            fn write(&self, state: &mut String) {
                write_number(*self as u64, state);
            }

            fn read(state: &mut &str) -> Option<Self> {
                read_number(state)?.try_into().ok()
            }
        }
    )*};
}

parkable_numbers!(u16 u32 u64 usize);

impl Parkable for bool {
    fn write(&self, state: &mut String) {
        write_number((*self).into(), state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        read_number(state).map(|number| number != 0)
    }
}

impl<T: Parkable> Parkable for Box<T> {
    fn write(&self, state: &mut String) {
        T::write(self, state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        T::read(state).map(Self::new)
    }
}

impl<T: Parkable> Parkable for Option<T> {
    fn write(&self, state: &mut String) {
        self.is_some().write(state);
        self.iter().for_each(|value| value.write(state));
    }

    fn read(state: &mut &str) -> Option<Self> {
        if bool::read(state)? { T::read(state).map(Some) } else { Some(None) }
    }
}

impl<T: Parkable> Parkable for Vec<T> {
    fn write(&self, state: &mut String) {
        self.len().write(state);
        self.iter().for_each(|value| value.write(state));
    }

    fn read(state: &mut &str) -> Option<Self> {
        let mut values = Self::new();
        for _ in 0..read_number(state)? {
            values.push(T::read(state)?);
        }
        Some(values)
    }
}

impl<A: Parkable, B: Parkable> Parkable for (A, B) {
    fn write(&self, state: &mut String) {
        self.0.write(state);
        self.1.write(state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        Some((A::read(state)?, B::read(state)?))
    }
}

impl Parkable for Box<RawValue> {
    fn write(&self, state: &mut String) {
        write_text(self.get(), state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        RawValue::from_string(String::read(state)?).ok()
    }
}

impl Parkable for Value {
    fn write(&self, state: &mut String) {
        write_text(&to_text(self), state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        serde_json::from_str(read_text(state)?).ok()
    }
}

impl Parkable for Map<String, Value> {
    fn write(&self, state: &mut String) {
        write_text(&serde_json::to_string(self).unwrap_or_default(), state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        match Value::read(state)? {
            Value::Object(map) => Some(map),
            _ => None,
        }
    }
}

parkable!(struct Call { operation, model, stream, include_usage, request_id, headers });
parkable!(struct Header { name, value });
parkable!(struct Position { id, created, model });
parkable!(
    enum Operation {
        Chat {},
        Models {},
        Embeddings {},
        Completions {},
        Responses {},
        Messages {},
        CountTokens {},
    }
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Decoder {
        text: String,
        open: Vec<(u64, Option<bool>)>,
        kind: Kind,
        document: Value,
    }

    #[derive(Debug, PartialEq)]
    enum Kind {
        Named { name: Cow<'static, str>, place: Place },
        Nameless,
    }

    #[derive(Debug, PartialEq)]
    struct Place(usize, u32);

    parkable!(struct Decoder { text, open, kind, document });
    parkable!(enum Kind { Named { name, place }, Nameless {} });
    parkable!(struct Place { 0, 1 });

    fn decoder(kind: Kind) -> Decoder {
        let text = "7,so \n \"far\" 🙂".to_owned();
        let open = vec![(u64::MAX, None), (0, Some(true)), (10, Some(false))];
        Decoder { text, open, kind, document: json!({"a": [1.5, "é"], "b": null}) }
    }

    #[test]
    fn a_decoder_is_the_same_after_it_was_parked() {
        for kind in [Kind::Named { name: "é".into(), place: Place(0, u32::MAX) }, Kind::Nameless] {
            let decoder = decoder(kind);
            let state = park(&decoder).unwrap();
            assert_eq!(unpark::<Decoder>(&state).unwrap(), decoder, "{state}");
        }
    }

    #[test]
    fn what_is_not_a_state_is_refused_wherever_it_ends() {
        let state = park(&decoder(Kind::Nameless)).unwrap();
        for end in (0..state.len()).filter(|end| state.is_char_boundary(*end)) {
            assert!(unpark::<Decoder>(&state[..end]).is_err(), "{}", &state[..end]);
        }
        for other in [format!("{state}x"), state.replace("Nameless", "Nobody's"), "9999999999,".repeat(9)] {
            assert!(unpark::<Decoder>(&other).is_err(), "{other}");
        }
    }
}
