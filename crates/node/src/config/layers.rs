//! The layers of a configuration: environment over file over built-in value, by the rules Fabric's peer
//! follows.

use super::error::{Problem, Source};
use super::value::{self, Expected};
use super::yaml::{self, Entry, Value};
use super::{Environment, known};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One key of the file that holds a value, not a section.
struct Leaf {
    /// As spelled in the file.
    key: String,
    line: u32,
    value: Value,
}

/// A value in force, for `config explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The key in Fabric's spelling.
    pub key: String,
    /// The value in force, printed; several are separated by spaces.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// Reads typed values by key and collects what is wrong with them. Every key that is asked for counts as
/// known.
pub(super) struct Layers {
    file: Option<Arc<Path>>,
    folder: PathBuf,
    leaves: BTreeMap<String, Leaf>,
    environment: Environment,
    asked: BTreeSet<String>,
    explained: Vec<Explained>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// What reading everything left behind.
pub(super) struct Findings {
    pub(super) explained: Vec<Explained>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Layers {
    /// `file` is the file the entries were read from; relative paths start at its folder.
    pub(super) fn new(file: Option<&Path>, entries: Vec<Entry>, environment: Environment) -> Self {
        let folder = file.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        let mut layers = Self {
            file: file.map(Arc::from),
            folder,
            leaves: BTreeMap::new(),
            environment,
            asked: BTreeSet::new(),
            explained: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        layers.flatten("", entries);
        layers
    }

    fn flatten(&mut self, prefix: &str, entries: Vec<Entry>) {
        for Entry { key, line, value } in entries {
            let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                Value::Section(inner) => self.flatten(&key, inner),
                value => self.insert(Leaf { key, line, value }),
            }
        }
    }

    fn insert(&mut self, leaf: Leaf) {
        let lower = leaf.key.to_lowercase();
        if let Some(first) = self.leaves.get(&lower) {
            let message =
                format!("repeats {} of line {}: upper and lower case are the same", first.key, first.line);
            let source = self.at_line(leaf.line);
            self.problems.push(Problem { source, key: leaf.key, message });
            return;
        }
        self.leaves.insert(lower, leaf);
    }

    fn at_line(&self, line: u32) -> Source {
        self.file.as_ref().map_or(Source::Default, |path| Source::File { path: Arc::clone(path), line })
    }

    /// The value that is set for a key: of the environment, else of the file. An empty variable counts;
    /// `null` does not.
    fn set(&mut self, key: &str) -> Option<(Value, Source)> {
        let lower = key.to_lowercase();
        let name = variable_name(key);
        let found = match self.environment.get(&name) {
            Some(text) => Some((Value::Text(text.to_owned()), Source::Environment(name))),
            None => self
                .leaves
                .get(&lower)
                .filter(|leaf| leaf.value != Value::Null)
                .map(|leaf| (leaf.value.clone(), self.at_line(leaf.line))),
        };
        self.asked.insert(lower);
        found
    }

    /// Where the value of a key would be complained about.
    pub(super) fn source(&self, key: &str) -> Source {
        let explained = self.explained.iter().find(|explained| explained.key == key);
        explained.map_or(Source::Default, |explained| explained.source.clone())
    }

    /// Records an error at the value of a key that was read.
    pub(super) fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem { source: self.source(key), key: key.into(), message: message.into() };
        self.problems.push(problem);
    }

    /// Records a warning at the value of a key that was read.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem { source: self.source(key), key: key.into(), message: message.into() };
        self.warnings.push(problem);
    }

    fn explain(&mut self, key: &str, value: impl Display, source: Source) {
        self.explained.push(Explained { key: key.into(), value: value.to_string(), source });
    }

    /// Converts what is set; what cannot be converted is recorded as a problem and counts as not set.
    fn convert<T>(
        &mut self,
        key: &str,
        convert: impl FnOnce(&Value) -> Result<T, Expected>,
    ) -> Option<(T, Value, Source)> {
        let (value, source) = self.set(key)?;
        match convert(&value) {
            Ok(converted) => Some((converted, value, source)),
            Err(expected) => {
                let message = format!("expected {expected}, found {}", value.describe());
                self.problems.push(Problem { source, key: key.into(), message });
                None
            }
        }
    }

    /// A duration; absent or zero takes the default.
    pub(super) fn duration(&mut self, key: &str, default: Duration) -> Duration {
        self.duration_if(key, default, |duration| !duration.is_zero())
    }

    /// A duration that is taken literally where the key is present, also zero.
    pub(super) fn duration_literal(&mut self, key: &str, default: Duration) -> Duration {
        self.duration_if(key, default, |_| true)
    }

    fn duration_if(&mut self, key: &str, default: Duration, counts: impl Fn(Duration) -> bool) -> Duration {
        let found = self.convert(key, value::duration).filter(|(duration, ..)| counts(*duration));
        let Some((duration, raw, source)) = found else {
            self.explain(key, selvedge_core::format_duration(default), Source::Default);
            return default;
        };
        self.explain(key, selvedge_core::format_duration(duration), source);
        if value::lacks_unit(&raw) && !duration.is_zero() && duration < Duration::from_millis(1) {
            let nanos = duration.as_nanos();
            self.warn(
                key,
                format!("{nanos} without a unit means {nanos} nanoseconds; for seconds write {nanos}s"),
            );
        }
        duration
    }

    /// A number; absent or zero takes the default.
    pub(super) fn count<T: TryFrom<u64> + Display>(&mut self, key: &str, default: T) -> T {
        self.number_if(key, default, value::count, |number| number != 0)
    }

    /// A number that is taken literally where the key is present, also zero.
    pub(super) fn count_literal<T: TryFrom<u64> + Display>(&mut self, key: &str, default: T) -> T {
        self.number_if(key, default, value::count, |_| true)
    }

    /// A number of bytes; absent or zero takes the default.
    pub(super) fn size<T: TryFrom<u64> + Display>(&mut self, key: &str, default: T) -> T {
        self.number_if(key, default, value::size, |number| number != 0)
    }

    fn number_if<T: TryFrom<u64> + Display>(
        &mut self,
        key: &str,
        default: T,
        convert: impl FnOnce(&Value) -> Result<u64, Expected>,
        counts: impl Fn(u64) -> bool,
    ) -> T {
        let converted = |value: &Value| {
            let number = convert(value)?;
            let typed = T::try_from(number).map_err(|_| "a smaller number")?;
            Ok((number, typed))
        };
        match self.convert(key, converted).filter(|((number, _), ..)| counts(*number)) {
            Some(((number, typed), _, source)) => {
                self.explain(key, number, source);
                typed
            }
            None => {
                self.explain(key, &default, Source::Default);
                default
            }
        }
    }

    /// A switch, taken literally where the key is present.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        let (flag, source) = match self.convert(key, value::flag) {
            Some((flag, _, source)) => (flag, source),
            None => (default, Source::Default),
        };
        self.explain(key, flag, source);
        flag
    }

    /// A text; absent or empty takes the default.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        let (text, source) = match self.convert(key, value::text).filter(|(text, ..)| !text.is_empty()) {
            Some((text, _, source)) => (text, source),
            None => (default.to_owned(), Source::Default),
        };
        self.explain(key, &text, source);
        text
    }

    /// A text; absent takes the default, present and empty means none.
    pub(super) fn text_literal(&mut self, key: &str, default: &str) -> Option<String> {
        let (text, source) = match self.convert(key, value::text) {
            Some((text, _, source)) => (text, source),
            None => (default.to_owned(), Source::Default),
        };
        self.explain(key, &text, source);
        (!text.is_empty()).then_some(text)
    }

    /// A text that must be there.
    pub(super) fn text_needed(&mut self, key: &str) -> String {
        let before = self.problems.len();
        let text = self.text(key, "");
        if text.is_empty() && self.problems.len() == before {
            self.refuse_absent(key);
        }
        text
    }

    /// A path that must be there.
    pub(super) fn path_needed(&mut self, key: &str) -> PathBuf {
        let before = self.problems.len();
        let path = self.path(key);
        if path.is_none() && self.problems.len() == before {
            self.refuse_absent(key);
        }
        path.unwrap_or_default()
    }

    /// Records as an error that a key that is needed has no value.
    pub(super) fn refuse_absent(&mut self, key: &str) {
        self.refuse(key, format!("is not set; set it in core.yaml or with {}", variable_name(key)));
    }

    /// A path, from the file's folder where it is relative; absent or empty is none.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let found = self.convert(key, value::text).filter(|(text, ..)| !text.is_empty());
        let Some((text, _, source)) = found else {
            self.explain(key, "", Source::Default);
            return None;
        };
        let path = join(&self.folder, &text);
        self.explain(key, path.display(), source);
        Some(path)
    }

    /// Several paths, each from the file's folder where it is relative. In one text they are separated by
    /// white space.
    pub(super) fn paths(&mut self, key: &str) -> Vec<PathBuf> {
        let (texts, source) = self.list(key, false);
        let paths: Vec<PathBuf> = texts.iter().map(|text| join(&self.folder, text)).collect();
        let printed: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        self.explain(key, printed.join(" "), source);
        paths
    }

    /// Several endpoints; in one text they are separated by white space or commas.
    pub(super) fn endpoints(&mut self, key: &str) -> Vec<String> {
        let (texts, source) = self.list(key, true);
        self.explain(key, texts.join(" "), source);
        texts
    }

    fn list(&mut self, key: &str, commas: bool) -> (Vec<String>, Source) {
        let found = self.convert(key, |value| value::list(value, commas));
        found.map_or_else(|| (Vec::new(), Source::Default), |(texts, _, source)| (texts, source))
    }

    /// A list of sections, each as its keys in lower case with their texts; in a variable it is written as
    /// YAML.
    pub(super) fn records(&mut self, key: &str) -> Vec<BTreeMap<String, String>> {
        let found = self.convert(key, |value| {
            let parsed = match value {
                Value::Text(text) if text.trim().is_empty() => Some(Value::List(Vec::new())),
                Value::Text(text) => yaml::parse_value(text),
                other => Some(other.clone()),
            };
            parsed.as_ref().and_then(records).ok_or("a list of sections such as [{from: a:7050, to: b:7050}]")
        });
        let (records, source) = match found {
            Some((records, _, source)) => (records, source),
            None => (Vec::new(), Source::Default),
        };
        let printed: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
        self.explain(key, printed.join(" "), source);
        records
    }

    /// Joins a path that a list of sections names to the file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        join(&self.folder, path)
    }

    /// Ends the reading: what was set but never asked for is unknown, unless Fabric has a use for it.
    pub(super) fn finish(mut self) -> Findings {
        for (lower, leaf) in &self.leaves {
            if self.asked.contains(lower) || known::ignored(lower) {
                continue;
            }
            let is_section = self.asked.iter().any(|key| is_below(key, lower));
            let source = self.at_line(leaf.line);
            let key = leaf.key.clone();
            if is_section && leaf.value == Value::Null {
                continue;
            }
            if is_section {
                let message =
                    format!("expected a section with keys below it, found {}", leaf.value.describe());
                self.problems.push(Problem { source, key, message });
                continue;
            }
            let message = match self.asked.iter().find(|asked| is_below(lower, asked)) {
                Some(_) => {
                    let message = "expected one value in the key above, found a section".to_owned();
                    self.problems.push(Problem { source, key, message });
                    continue;
                }
                None => unknown_key(lower, &self.explained),
            };
            self.warnings.push(Problem { source, key, message });
        }
        let names: BTreeSet<String> = self.asked.iter().map(|key| variable_name(key)).collect();
        for name in self.environment.names() {
            if !names.contains(name) && !known::ignored_variable(name) {
                let message = "sets no key that is known; it is ignored".to_owned();
                let source = Source::Environment(name.to_owned());
                self.warnings.push(Problem { source, key: String::new(), message });
            }
        }
        Findings { explained: self.explained, problems: self.problems, warnings: self.warnings }
    }
}

/// `peer.gossip.bootstrap` is overridden by `CORE_PEER_GOSSIP_BOOTSTRAP`.
fn variable_name(key: &str) -> String {
    format!("{}{}", Environment::PREFIX, key.to_uppercase().replace('.', "_"))
}

/// Whether `key` is in the section `section`.
fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn unknown_key(lower: &str, explained: &[Explained]) -> String {
    let spelled = explained.iter().map(|explained| explained.key.as_str());
    match known::nearest(lower, spelled) {
        Some(nearest) => format!("is not known and is ignored; did you mean {nearest}?"),
        None => "is not known and is ignored".into(),
    }
}

fn records(value: &Value) -> Option<Vec<BTreeMap<String, String>>> {
    let Value::List(items) = value else { return None };
    items
        .iter()
        .map(|item| {
            let Value::Section(entries) = item else { return None };
            let texts =
                entries.iter().map(|entry| Some((entry.key.to_lowercase(), value::text(&entry.value).ok()?)));
            texts.collect()
        })
        .collect()
}

/// Joins and removes `.` and `..` by name, so that messages show the path a person would write.
fn join(folder: &Path, path: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_a_person_would() {
        for (folder, path, expected) in [
            ("/etc/hyperledger/fabric", "msp", "/etc/hyperledger/fabric/msp"),
            ("/etc/hyperledger/fabric", "/abs", "/abs"),
            ("a/b", "../../c/./d", "c/d"),
            ("a", "../../c", "../c"),
            ("/", "../x", "/x"),
            ("", "x", "x"),
            ("", ".", "."),
        ] {
            assert_eq!(join(Path::new(folder), path), Path::new(expected), "{folder} + {path}");
        }
    }

    #[test]
    fn variables_are_named_as_in_fabric() {
        assert_eq!(variable_name("peer.gossip.useLeaderElection"), "CORE_PEER_GOSSIP_USELEADERELECTION");
    }
}
