//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Built in: the key is absent, or zero where zero stands for the default.
    Default,
    /// A line of the file.
    File {
        /// The file as it was opened.
        path: Arc<Path>,
        /// Line of the key, from 1.
        line: u32,
    },
    /// An environment variable, by name.
    Environment(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing to complain about. Displayed as `core.yaml:12: peer.gossip.pullInterval: expected ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value stands; [`Source::Default`] when a needed key is absent.
    pub source: Source,
    /// The key in Fabric's spelling.
    pub key: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, self.key.as_str()) {
            (Source::Default, key) => write!(f, "{key}: {}", self.message),
            (source, "") => write!(f, "{source}: {}", self.message),
            (source, key) => write!(f, "{source}: {key}: {}", self.message),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No file at any of the usual places.
    #[error(
        "no core.yaml found; looked for {}. Name it with --config, or set FABRIC_CFG_PATH to its folder",
        list(searched)
    )]
    NotFound {
        /// The files that were looked for.
        searched: Vec<PathBuf>,
    },
    /// The file is there but cannot be read, or is not UTF-8.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u32,
        /// What the YAML reader says.
        message: String,
    },
    /// Values that cannot be used: all of them, one a line.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
