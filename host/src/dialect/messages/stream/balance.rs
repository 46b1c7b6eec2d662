//! Whether pieces of JSON are an object, and whether it is complete by now.

/// How far a value has come, piece by piece.
#[derive(Default)]
pub(super) struct Balance {
    /// Whether it is an object, as soon as its first character tells.
    object: Option<bool>,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Balance {
    /// Reads the next piece.
    pub(super) fn add(&mut self, piece: &str) {
        if self.object.is_none() {
            self.object = piece.trim_start().bytes().next().map(|first| first == b'{');
        }
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether this is an object, as far as it has come.
    pub(super) fn is_object(&self) -> bool {
        self.object == Some(true)
    }

    /// Whether this is an object, and closed again.
    pub(super) fn is_complete(&self) -> bool {
        self.is_object() && self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_complete_with_its_last_brace_wherever_it_is_cut() {
        let object = r#"{"a": "} \" \\", "b": [{}, {"c": "ü]"}]}"#;
        for cut in (0..object.len()).filter(|cut| object.is_char_boundary(*cut)) {
            let mut balance = Balance::default();
            balance.add(&object[..cut]);
            assert!(!balance.is_complete(), "{}", &object[..cut]);
            balance.add(&object[cut..]);
            assert!(balance.is_complete(), "cut at {cut}");
        }
    }

    #[test]
    fn the_first_character_tells_whether_it_is_an_object() {
        for (pieces, expected) in [
            (&[][..], false),
            (&["", " \n"], false),
            (&[" ", "{"], true),
            (&["null"], false),
            (&["[", "{}]"], false),
            (&["nu", "{}"], false),
        ] {
            let mut balance = Balance::default();
            pieces.iter().for_each(|piece| balance.add(piece));
            assert_eq!(balance.is_object(), expected, "{pieces:?}");
            assert!(!balance.is_complete());
        }
    }
}
