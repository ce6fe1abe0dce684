//! Changes to a whole message that a fuzzer can steer: a byte flipped anywhere would mostly break a length, and nothing behind
//! it would be reached.

use crate::wire::{Reader, Value, put_varint};

/// Deeper messages are not looked into.
const DEPTH_MAX: u32 = 16;

/// `base` with the changes that `script` describes, each of some bytes: which field, what is done to it, with what. Lengths
/// around a changed field are made right again. With an empty script it is `base` itself.
pub fn edited(base: &[u8], mut script: &[u8]) -> Vec<u8> {
    let mut message = base.to_vec();
    while let Some((change, rest)) = Change::read(script) {
        script = rest;
        let count = count(&message, DEPTH_MAX).unwrap_or(0).max(1);
        let mut edit = Edit { countdown: usize::from(change.place) % count, change };
        if let Some(changed) = edit.message(&message, DEPTH_MAX) {
            message = changed;
        }
    }
    message
}

/// One change.
#[derive(Clone, Copy)]
struct Change<'a> {
    place: u16,
    what: u8,
    with: &'a [u8],
}

impl<'a> Change<'a> {
    /// The first change of a script, and the rest of it.
    fn read(script: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[low, high, what], rest) = script.split_first_chunk::<3>()?;
        let length = usize::from(what >> 3);
        let (with, rest) = rest.split_at(length.min(rest.len()));
        Some((Self { place: u16::from_le_bytes([low, high]), what: what & 7, with }, rest))
    }
}

/// How many fields a message has, with those of the messages in it; `None` if it is none.
fn count(message: &[u8], depth: u32) -> Option<usize> {
    let mut reader = Reader::new(message);
    let mut total = 0;
    while let Some(field) = reader.next().ok()? {
        total += 1;
        if let Value::Bytes(span) = field.value
            && depth > 0
        {
            total += count(span.of(message), depth - 1).unwrap_or(0);
        }
    }
    Some(total)
}

struct Edit<'a> {
    countdown: usize,
    change: Change<'a>,
}

impl Edit<'_> {
    /// The message with the change in it, if it is in there.
    fn message(&mut self, message: &[u8], depth: u32) -> Option<Vec<u8>> {
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next().ok()? {
            let (before, from) = message.split_at_checked(field.start)?;
            let (this, after) = from.split_at_checked(reader.position() - field.start)?;
            if self.countdown == 0 {
                return Some([before, &self.field(this, field.value_start - field.start), after].concat());
            }
            self.countdown -= 1;
            let Value::Bytes(span) = field.value else { continue };
            let inner = span.of(message);
            let Some(fields) = (depth > 0).then(|| count(inner, depth - 1)).flatten() else { continue };
            if self.countdown >= fields {
                self.countdown -= fields;
                continue;
            }
            let inner = self.message(inner, depth - 1)?;
            let tag = this.get(..field.value_start - field.start)?;
            return Some([before, tag, &length_delimited(&inner), after].concat());
        }
        None
    }

    /// The field with the change; `tag_bytes` of it are its tag.
    fn field(&self, field: &[u8], tag_bytes: usize) -> Vec<u8> {
        let (tag, value) = field.split_at(tag_bytes.min(field.len()));
        let with = self.change.with;
        let content = Reader::new(field).next().ok().flatten().and_then(|field| match field.value {
            Value::Bytes(span) => Some(span),
            _ => None,
        });
        let content = content.map(|span| span.of(field).to_vec());
        match (self.change.what, content) {
            (0, _) => Vec::new(),
            (1, _) => [field, field].concat(),
            (2, Some(_)) => [tag, &length_delimited(with)].concat(),
            (3, Some(mut content)) => {
                let places =
                    with.first().zip(with.get(1)).map(|(low, high)| u16::from_le_bytes([*low, *high]));
                let place = usize::from(places.unwrap_or(0)).checked_rem(content.len()).unwrap_or(0);
                if let Some(byte) = content.get_mut(place) {
                    *byte ^= with.get(2).copied().unwrap_or(1);
                }
                [tag, &length_delimited(&content)].concat()
            }
            (4, Some(mut content)) => {
                content.truncate(usize::from(with.first().copied().unwrap_or(0)));
                [tag, &length_delimited(&content)].concat()
            }
            (5, Some(content)) => [tag, &length_delimited(&[content.as_slice(), with].concat())].concat(),
            // numbers: another value
            (2..6, None) => {
                let mut out = tag.to_vec();
                put_varint(&mut out, with.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)));
                out
            }
            // another field number and wire type
            (6, _) => [with, value].concat(),
            _ => [field, with].concat(),
        }
    }
}

fn length_delimited(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 4);
    put_varint(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::{Envelope, SecretEnvelope};
    use prost::Message;

    fn envelope() -> Envelope {
        let secret = SecretEnvelope { payload: "inner".into(), signature: "inner signature".into() };
        Envelope { payload: "\u{ff}".into(), signature: "signature".into(), secret_envelope: Some(secret) }
    }

    fn change(base: &Envelope, script: &[u8]) -> Envelope {
        Envelope::decode(edited(&base.encode_to_vec(), script).as_slice()).unwrap()
    }

    #[test]
    fn lengths_around_a_change_are_right() {
        assert_eq!(change(&envelope(), &[]), envelope());
        // field 3 is the fourth, that is the first of the secret envelope; 2 bytes take its place
        let mut expected = envelope();
        expected.secret_envelope.as_mut().unwrap().payload = "ab".into();
        assert_eq!(change(&envelope(), &[3, 0, 2 << 3 | 2, b'a', b'b']), expected);
        expected.signature = "".into();
        let twice = [3, 0, 2 << 3 | 2, b'a', b'b', 1, 0, 0];
        assert_eq!(change(&envelope(), &twice), expected, "the second change takes the signature out");
    }

    #[test]
    fn any_script_on_anything_gives_something() {
        let base = envelope().encode_to_vec();
        for place in 0..8 {
            for what in 0..=255 {
                let _ = edited(&base, &[place, 0, what, 1, 2, 3, 255, 255, 9, 9]);
                let _ = edited(&[place, what], &[place, 0, what, 1, 2, 3]);
            }
        }
    }
}
