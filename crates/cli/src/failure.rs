//! Why a command ends with exit code 1.

use std::fmt;

/// What went wrong, in words for the user: what, where, and what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be printed.
    Because(String),
    /// The command has said it already.
    Told,
}

impl Failure {
    /// A failure with its reason.
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self::Because(reason.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(reason) => f.write_str(reason),
            Self::Told => f.write_str("failed"),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // errors here tell their cause themselves, as a rule
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self::Because(text)
    }
}
