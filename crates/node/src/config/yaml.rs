//! A YAML file as a tree that remembers the line of every key.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A value of the file, or of an environment variable (then always [`Value::Text`]).
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Everything else that is one word or line.
    Text(String),
    /// A sequence.
    List(Vec<Self>),
    /// A section: its keys in the order of the file.
    Section(Vec<Entry>),
}

/// One key of a section.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// As it is spelled in the file.
    pub(super) key: String,
    /// Line of the key, from 1.
    pub(super) line: u32,
    /// What it holds.
    pub(super) value: Value,
}

/// Where and why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Line from 1, or 0 where it is not known.
    pub(super) line: u32,
    /// In words, without the line.
    pub(super) message: String,
}

/// Reads one YAML document; an empty one is an empty section.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Option<Value>>(text, options) {
        Ok(None | Some(Value::Null)) => Ok(Vec::new()),
        Ok(Some(Value::Section(entries))) => Ok(entries),
        Ok(Some(_)) => Err(SyntaxError { line: 1, message: "expected sections such as 'peer:'".into() }),
        Err(error) => {
            let line = error.location().map_or(0, |location| u32::try_from(location.line()).unwrap_or(0));
            Err(SyntaxError { line, message: without_position(&error.to_string()) })
        }
    }
}

/// Reads a list or section given in one environment variable, as `[{from: a, to: b}]`.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    serde_saphyr::from_str::<Value>(text).ok()
}

/// The parser's message ends with its own words for the position; ours begins with it.
fn without_position(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let end = first.find(" at line ").unwrap_or(first.len());
    first.get(..end).unwrap_or(first).trim().to_owned()
}

impl Value {
    /// What it is, for "found ..." in a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Flag(flag) => format!("'{flag}'"),
            Self::Integer(number) => format!("'{number}'"),
            Self::Float(number) => format!("'{number}'"),
            Self::Text(text) => format!("'{text}'"),
            Self::List(_) => "a list".into(),
            Self::Section(_) => "a section".into(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(i128::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Text(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<Value>>()? {
            let line = u32::try_from(key.referenced.line()).unwrap_or(0);
            let key = match key.value {
                Value::Text(text) => text,
                Value::Null => "null".into(),
                Value::Flag(flag) => flag.to_string(),
                Value::Integer(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                Value::List(_) | Value::Section(_) => {
                    return Err(serde::de::Error::custom("a key must be one word"));
                }
            };
            entries.push(Entry { key, line, value: access.next_value()? });
        }
        Ok(Value::Section(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.into())
    }

    #[test]
    fn keys_have_their_lines() {
        let entries = parse("# c\npeer:\n  id: a\n\n  tls: {enabled: true,\n    cert: x}\nn: 5\n").unwrap();
        let [peer, n] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!((peer.key.as_str(), peer.line, n.line), ("peer", 2, 7));
        let Value::Section(inner) = &peer.value else { panic!() };
        assert_eq!(inner[0], Entry { key: "id".into(), line: 3, value: text("a") });
        let Value::Section(tls) = &inner[1].value else { panic!() };
        assert_eq!((tls[0].line, &tls[0].value), (5, &Value::Flag(true)));
        assert_eq!((tls[1].line, &tls[1].value), (6, &text("x")));
    }

    #[test]
    fn scalars_have_the_types_of_yaml() {
        let entries = parse(
            "a:\nb: ~\nc: 100\nd: -1\ne: 1.5\nf: yes\ng: 'true'\nh: 5s\ni: [1, x]\nj: |\n  two\n  lines\nk: null\n",
        )
        .unwrap();
        let values: Vec<Value> = entries.into_iter().map(|entry| entry.value).collect();
        assert_eq!(
            values,
            [
                Value::Null,
                Value::Null,
                Value::Integer(100),
                Value::Integer(-1),
                Value::Float(1.5),
                text("yes"),
                text("true"),
                text("5s"),
                Value::List(vec![Value::Integer(1), text("x")]),
                text("two\nlines\n"),
                Value::Null,
            ]
        );
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let entries = parse("base: &b\n  x: 1\nderived:\n  <<: *b\n  y: 2\n").unwrap();
        let Value::Section(derived) = &entries[1].value else { panic!() };
        let mut keys: Vec<&str> = derived.iter().map(|entry| entry.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["x", "y"]);
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_line() {
        for (input, line) in
            [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\na: 2\n", 2), ("x:\n\t- 1\n", 2), ("word", 1)]
        {
            let error = parse(input).unwrap_err();
            assert_eq!(error.line, line, "{input:?}: {error:?}");
            assert!(!error.message.is_empty() && !error.message.contains(" line "), "{error:?}");
        }
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("# nothing\n").unwrap(), []);
    }

    #[test]
    fn bombs_are_refused() {
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
        for (previous, next) in ('a'..'j').zip('b'..) {
            laughs.push_str(&format!("{next}: &{next} [{}]\n", vec![format!("*{previous}"); 10].join(", ")));
        }
        assert!(parse(&laughs).is_err());
    }
}
