//! What is wrong with a configuration, and where: every problem of a file at once, each with its line and column.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A place in a file. Line and column count from 1, columns in characters.
    Place {
        /// The file as it was named on the command line, or the name of a built-in document.
        file: Arc<str>,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A file as a whole.
    File(Arc<str>),
    /// An environment variable, by name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place { file, line, column } => write!(formatter, "{file}:{line}:{column}"),
            Self::File(file) => formatter.write_str(file),
            Self::Environment(name) => write!(formatter, "environment variable {name}"),
        }
    }
}

/// Where a part of the configuration stands, for messages about it that come after it was read.
///
/// All places are equal: that lines have moved in a file is no change of what they say.
#[derive(Debug, Clone)]
pub struct Place(pub(super) Origin);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One thing that is wrong. Displays as `weir.yaml:12:3: unknown key ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What, and what to do about it. Never holds a value that came from the environment.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.origin, self.message)
    }
}

/// All that is wrong with a configuration, in the order of the file, at least one problem. Displays one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

impl Errors {
    /// The problems, in the order of the file, those of the environment last.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    /// A single problem.
    pub(super) fn one(origin: Origin, message: impl Into<String>) -> Self {
        Self(vec![Problem { origin, message: message.into() }])
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Collects problems while a configuration is read, so that all of them can be shown at once.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem and goes on.
    pub(super) fn report(&mut self, origin: &Origin, message: impl Into<String>) {
        self.0.push(Problem { origin: origin.clone(), message: message.into() });
    }

    /// The value, unless there was any problem.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Errors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                self.0.sort_by_key(|problem| match problem.origin {
                    Origin::File(_) => (0, 0),
                    Origin::Place { line, column, .. } => (line, column),
                    Origin::Environment(_) => (usize::MAX, 0),
                });
                // An alias is read once per use: what is wrong with it is said once.
                self.0.dedup();
                Err(Errors(self.0))
            }
        }
    }
}
