//! The arguments of a call, for upstreams that take them as the object that they are.

use serde_json::value::RawValue;

use super::FunctionCall;
use crate::Failure;

impl FunctionCall<'_> {
    /// The arguments as a JSON object. Nothing and `null` are what clients write for a call without any. `call` says
    /// where the call stands, should it be at fault: `messages[1].tool_calls[0]`.
    ///
    /// # Errors
    /// `invalid-request`, with the field.
    pub fn object(&self, call: impl Fn() -> String) -> Result<&RawValue, Failure> {
        let arguments = match self.arguments.as_deref().map_or("", str::trim) {
            "" | "null" => "{}",
            arguments => arguments,
        };
        let object = serde_json::from_str(arguments).ok().filter(|_| arguments.starts_with('{'));
        object.ok_or_else(|| {
            let message = "The arguments of a call have to be a JSON object, written as a string.";
            Failure::invalid_field(format!("{}.function.arguments", call()), message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_refused() {
        let place = "messages[0].tool_calls[1].function.arguments";
        for (arguments, expected) in [
            (None, Ok("{}")),
            (Some(" "), Ok("{}")),
            (Some("null"), Ok("{}")),
            (Some(" {\"a\": [1]} "), Ok("{\"a\": [1]}")),
            (Some("[1]"), Err(place)),
            (Some("{\"a\":"), Err(place)),
            (Some("north"), Err(place)),
        ] {
            let call = FunctionCall { arguments: arguments.map(Into::into), ..FunctionCall::default() };
            let object = call.object(|| "messages[0].tool_calls[1]".to_owned());
            let object = object.map(RawValue::get).map_err(|failure| failure.param.unwrap_or_default());
            assert_eq!(object, expected.map_err(str::to_owned), "{arguments:?}");
        }
    }
}
