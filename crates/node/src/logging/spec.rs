//! The logging specification of Fabric: which logger tells from which level on.

use std::collections::BTreeMap;
use std::fmt;

/// Severities of Fabric, from the chattiest on. Events come in the first five; the last three switch
/// everything off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Whole messages.
    Payload,
    /// For people who look for a fault.
    Debug,
    /// What happens.
    Info,
    /// What should be looked at.
    Warn,
    /// What went wrong.
    Error,
    /// Above everything a node tells.
    Dpanic,
    /// Above everything a node tells.
    Panic,
    /// Above everything a node tells.
    Fatal,
}

impl Level {
    /// The names Fabric takes, in lower or in upper case but not in both.
    fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if name != lower && name != name.to_ascii_uppercase() {
            return None;
        }
        Some(match lower.as_str() {
            "payload" => Self::Payload,
            "debug" => Self::Debug,
            "info" | "notice" => Self::Info,
            "warning" | "warn" => Self::Warn,
            "error" | "critical" => Self::Error,
            "dpanic" => Self::Dpanic,
            "panic" => Self::Panic,
            "fatal" => Self::Fatal,
            _ => return None,
        })
    }

    /// The level of an event of the `tracing` crate.
    pub(super) fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Payload,
        }
    }

    /// The name in lower case, as in JSON lines, metrics and specifications.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Dpanic => "dpanic",
            Self::Panic => "panic",
            Self::Fatal => "fatal",
        }
    }

    /// The name in capitals, as in console lines.
    pub(super) fn capitals(self) -> &'static str {
        match self {
            Self::Payload => "PAYLOAD",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Dpanic => "DPANIC",
            Self::Panic => "PANIC",
            Self::Fatal => "FATAL",
        }
    }
}

/// A specification, as of `FABRIC_LOGGING_SPEC` and `/logspec`:
/// `[<logger>[,<logger>...]=]<level>[:[<logger>[,<logger>...]=]<level>...]`.
///
/// A level alone is the default (info where there is none, the last where there are several). A logger's
/// level also holds for the loggers below it (`gossip` for `gossip.comm`) unless they have their own; a name
/// that ends in a dot means that logger only. Displayed in Fabric's normal form: loggers by name, the default
/// last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    default: Level,
    loggers: BTreeMap<String, Level>,
    exact: BTreeMap<String, Level>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { default: Level::Info, loggers: BTreeMap::new(), exact: BTreeMap::new() }
    }
}

/// Which part of a specification cannot be used; displayed in Fabric's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid logging specification '{spec}': {reason}")]
pub struct SpecError {
    /// The whole specification.
    pub spec: String,
    /// The part, and what is wrong with it.
    pub reason: String,
}

impl Spec {
    /// Reads a specification.
    ///
    /// # Errors
    /// A segment that is neither a level nor `loggers=level`, an unknown level, or an impossible logger name.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let mut spec = Self::default();
        let refuse = |reason: String| Err(SpecError { spec: text.to_owned(), reason });
        for segment in text.split(':') {
            let Some((loggers, level)) = segment.split_once('=') else {
                spec.default = match Level::parse(segment) {
                    Some(level) => level,
                    None if segment.is_empty() => Level::Info,
                    None => return refuse(format!("bad segment '{segment}'")),
                };
                continue;
            };
            if loggers.is_empty() && !level.contains('=') {
                return refuse(format!("no logger specified in segment '{segment}'"));
            }
            let Some(level) = Level::parse(level) else {
                return refuse(format!("bad segment '{segment}'"));
            };
            for logger in loggers.split(',') {
                let name = logger.strip_suffix('.');
                if !is_logger_name(name.unwrap_or(logger)) {
                    return refuse(format!("bad logger name '{logger}'"));
                }
                match name {
                    Some(name) => spec.exact.insert(name.to_owned(), level),
                    None => spec.loggers.insert(logger.to_owned(), level),
                };
            }
        }
        Ok(spec)
    }

    /// The level from which on a logger tells.
    #[must_use]
    pub fn level(&self, logger: &str) -> Level {
        if let Some(level) = self.exact.get(logger) {
            return *level;
        }
        let mut name = logger;
        loop {
            if let Some(level) = self.loggers.get(name) {
                return *level;
            }
            match name.rfind('.') {
                Some(dot) if dot > 0 => name = name.get(..dot).unwrap_or_default(),
                _ => return self.default,
            }
        }
    }

    /// The chattiest level of all loggers.
    pub(super) fn lowest(&self) -> Level {
        let levels = self.loggers.values().chain(self.exact.values()).copied();
        levels.min().unwrap_or(self.default).min(self.default)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.exact.iter().map(|(name, level)| format!("{name}.={}", level.name()));
        let loggers = self.loggers.iter().map(|(name, level)| format!("{name}={}", level.name()));
        let mut segments: Vec<String> = exact.chain(loggers).collect();
        segments.sort_unstable();
        for segment in segments {
            write!(f, "{segment}:")?;
        }
        f.write_str(self.default.name())
    }
}

/// Words of letters, digits, `_`, `#` and `-`, separated by dots.
fn is_logger_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#' | b'-'))
    };
    name.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn specifications_are_read_and_shown_in_normal_form() {
        for (text, normal) in [
            ("", "info"),
            ("info", "info"),
            ("WARN", "warn"),
            ("warning:gossip=debug", "gossip=debug:warn"),
            ("info:gossip,msp=debug:grpc=error", "gossip=debug:grpc=error:msp=debug:info"),
            ("chaincode=info:msp,gossip=warning:warning", "chaincode=info:gossip=warn:msp=warn:warn"),
            ("a=debug", "a=debug:info"),
            ("debug:error", "error"),
            ("a=debug:a=error", "a=error:info"),
            ("a.b.=payload:a.b=fatal:notice", "a.b.=payload:a.b=fatal:info"),
            ("x-y#1_z=critical:dpanic", "x-y#1_z=error:dpanic"),
            ("debug:", "info"),
        ] {
            assert_eq!(Spec::parse(text).map(|spec| spec.to_string()), Ok(normal.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, reason) in [
            ("verbose", "bad segment 'verbose'"),
            ("Info", "bad segment 'Info'"),
            ("info:gossip=loud", "bad segment 'gossip=loud'"),
            ("gossip=", "bad segment 'gossip='"),
            ("=debug", "no logger specified in segment '=debug'"),
            ("a=b=debug", "bad segment 'a=b=debug'"),
            ("=b=debug", "bad segment '=b=debug'"),
            ("a,,b=debug", "bad logger name ''"),
            (".a=debug", "bad logger name '.a'"),
            ("a..=debug", "bad logger name 'a..'"),
            ("a b=debug", "bad logger name 'a b'"),
            ("é=debug", "bad logger name 'é'"),
            (" info", "bad segment ' info'"),
        ] {
            let error = Spec::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid logging specification '{text}': {reason}"));
        }
    }

    #[test]
    fn the_longest_name_wins() {
        let spec =
            Spec::parse("gossip=debug:gossip.comm=error:gossip.comm.=payload:grpc=fatal:warn").unwrap();
        for (logger, level) in [
            ("gossip", Level::Debug),
            ("gossip.state", Level::Debug),
            ("gossip.comm", Level::Payload),
            ("gossip.comm.conn", Level::Error),
            ("gossipy", Level::Warn),
            ("grpc.x", Level::Fatal),
            ("", Level::Warn),
            (".gossip", Level::Warn),
        ] {
            assert_eq!(spec.level(logger), level, "{logger}");
        }
        assert_eq!(spec.lowest(), Level::Payload);
        assert_eq!(Spec::default().lowest(), Level::Info);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_normal_form_means_the_same(text in "[a-c.,=:]{0,12}|([a-c.]{1,4}=(info|debug|fatal):?){0,4}") {
            if let Ok(spec) = Spec::parse(&text) {
                prop_assert_eq!(Spec::parse(&spec.to_string()), Ok(spec));
            }
        }
    }
}
