//! A conversation by turns, for APIs in which two sides speak alternately: all that one of them says in a row is one
//! turn, and in a user's turn the results of tools come first.

use super::Json;

/// The turns so far: objects with a `role` and a list `content` of blocks.
#[derive(Debug, Default)]
pub struct Turns {
    /// The turns that are over, with commas between them.
    list: Json,
    /// Whose turn it is.
    speaker: Option<&'static str>,
    results: Json,
    blocks: Json,
}

impl Turns {
    /// Whether nobody has said anything.
    pub fn is_empty(&self) -> bool {
        self.speaker.is_none()
    }

    /// Adds blocks, with commas between them, to what this side says. Without any, it is still the other side's turn.
    pub fn say(&mut self, speaker: &'static str, blocks: &Json) {
        if !blocks.is_empty() {
            self.turn(speaker);
            self.blocks.raw(blocks.as_str());
        }
    }

    /// Adds results of tools, with commas between them, to what the user says.
    pub fn answer(&mut self, results: &Json) {
        if !results.is_empty() {
            self.turn("user");
            self.results.raw(results.as_str());
        }
    }

    /// All turns, with commas between them.
    pub fn finish(mut self) -> Json {
        self.end();
        self.list
    }

    /// Lets this side have its turn, whether it says anything or not. [`say`](Self::say) does so by itself.
    pub fn turn(&mut self, speaker: &'static str) {
        if self.speaker != Some(speaker) {
            self.end();
            self.speaker = Some(speaker);
        }
    }

    fn end(&mut self) {
        let (results, blocks) = (std::mem::take(&mut self.results), std::mem::take(&mut self.blocks));
        let Some(speaker) = self.speaker.filter(|_| !results.is_empty() || !blocks.is_empty()) else { return };
        self.list.open('{').key("role").body(speaker).key("content").open('[');
        self.list.list(&results).list(&blocks).close(']').close('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_says_in_a_row_is_one_turn_and_results_come_first() {
        let block = |text: &str| {
            let mut json = Json::default();
            if !text.is_empty() {
                json.raw(text);
            }
            json
        };
        let mut turns = Turns::default();
        turns.say("user", &block(""));
        assert!(turns.is_empty());
        turns.say("user", &block("1"));
        turns.say("assistant", &block(""));
        turns.say("user", &block("2,3"));
        turns.say("assistant", &block("4"));
        turns.say("user", &block("5"));
        turns.answer(&block("6"));
        turns.answer(&block("7"));
        let expected =
            r#"{"role":"user","content":[1,2,3]},{"role":"assistant","content":[4]},{"role":"user","content":[6,7,5]}"#;
        assert_eq!(turns.finish().as_str(), expected);
        assert!(Turns::default().finish().is_empty());
    }

    #[test]
    fn a_side_that_has_its_turn_and_says_nothing_parts_what_the_other_says() {
        let mut said = Json::default();
        said.number(1);
        let mut turns = Turns::default();
        turns.say("user", &said);
        turns.turn("assistant");
        turns.say("user", &said);
        assert_eq!(turns.finish().as_str(), r#"{"role":"user","content":[1]},{"role":"user","content":[1]}"#);
    }
}
