//! Cuts an input into records: one, or many with their lengths before them.

use crate::failure::Failure;
use bytes::Bytes;
use clap::ValueEnum;
use std::fs::File;
use std::io::{self, BufReader, Read};

/// A longer record is passed over. Gossip messages have at most 100 MiB.
const RECORD_BYTES_MAX: u64 = 128 << 20;

/// How records are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framing {
    /// The whole input is one record
    #[default]
    None,
    /// Each record after its length, 4 bytes big-endian
    Be32,
    /// Each record after its length as a protobuf varint
    Varint,
}

/// A piece of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A record, and where its first byte stands in the input.
    Record { offset: u64, bytes: Bytes },
    /// No record can be cut out there.
    Damaged { offset: u64, reason: String },
}

/// The frames of an input; nothing follows where the framing is lost.
pub(crate) struct Frames<R> {
    reader: R,
    framing: Framing,
    position: u64,
    ended: bool,
}

/// The frames of a file, or of standard input for `-`.
pub(crate) fn open(name: &str, framing: Framing) -> Result<Frames<Box<dyn Read>>, Failure> {
    let reader: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(name).map_err(|error| Failure::because(format!("{name}: {error}")))?;
        Box::new(BufReader::new(file))
    };
    Ok(Frames::new(reader, framing))
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(reader: R, framing: Framing) -> Self {
        Self { reader, framing, position: 0, ended: false }
    }

    fn step(&mut self) -> io::Result<Option<Frame>> {
        let begin = self.position;
        let length = match self.framing {
            Framing::None => return self.whole(),
            Framing::Be32 => self.be32()?,
            Framing::Varint => self.varint()?,
        };
        match length {
            Length::End => Ok(None),
            Length::Lost(reason) => Ok(Some(self.lost(begin, reason))),
            Length::Is(length) => self.record(length).map(Some),
        }
    }

    fn whole(&mut self) -> io::Result<Option<Frame>> {
        self.ended = true;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(RECORD_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(Some(match bytes.len() as u64 {
            0 => Frame::Damaged { offset: 0, reason: "the input is empty".to_owned() },
            length if length > RECORD_BYTES_MAX => Frame::Damaged {
                offset: 0,
                reason: format!("more than {RECORD_BYTES_MAX} bytes: several records? See --framing"),
            },
            _ => Frame::Record { offset: 0, bytes: bytes.into() },
        }))
    }

    fn record(&mut self, length: u64) -> io::Result<Frame> {
        let offset = self.position;
        if length > RECORD_BYTES_MAX {
            let passed = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())?;
            self.position += passed;
            if passed < length {
                return Ok(self.truncated(offset, length, passed));
            }
            let reason = format!("a record of {length} bytes is passed over: more than {RECORD_BYTES_MAX}");
            return Ok(Frame::Damaged { offset, reason });
        }
        // grows with what is there, not with what is announced
        let mut bytes = Vec::new();
        let there = self.reader.by_ref().take(length).read_to_end(&mut bytes)? as u64;
        self.position += there;
        if there < length {
            return Ok(self.truncated(offset, length, there));
        }
        Ok(Frame::Record { offset, bytes: bytes.into() })
    }

    fn truncated(&mut self, offset: u64, length: u64, there: u64) -> Frame {
        let reason = format!("truncated: {length} bytes are announced, {there} are there");
        let hint = if offset <= 10 { "; is this the right --framing?" } else { "" };
        self.lost(offset, reason + hint)
    }

    fn lost(&mut self, offset: u64, reason: String) -> Frame {
        self.ended = true;
        Frame::Damaged { offset, reason }
    }

    fn be32(&mut self) -> io::Result<Length> {
        let mut prefix = Vec::with_capacity(4);
        self.reader.by_ref().take(4).read_to_end(&mut prefix)?;
        self.position += prefix.len() as u64;
        Ok(match <[u8; 4]>::try_from(prefix.as_slice()) {
            Ok(prefix) => Length::Is(u64::from(u32::from_be_bytes(prefix))),
            Err(_) if prefix.is_empty() => Length::End,
            Err(_) => Length::Lost(format!("truncated: {} of a length's 4 bytes are there", prefix.len())),
        })
    }

    fn varint(&mut self) -> io::Result<Length> {
        let mut value = 0_u64;
        for index in 0..10 {
            let mut byte = [0];
            if self.reader.by_ref().take(1).read_to_end_into(&mut byte)? == 0 {
                let is_end = index == 0;
                return Ok(if is_end { Length::End } else { Length::Lost("truncated length".to_owned()) });
            }
            self.position += 1;
            let [byte] = byte;
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(Length::Is(value));
            }
        }
        Ok(Length::Lost("the length is no varint; is this the right --framing?".to_owned()))
    }
}

impl<R: Read> Iterator for Frames<R> {
    type Item = io::Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended |= !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

enum Length {
    Is(u64),
    /// The input ends where a length would begin.
    End,
    Lost(String),
}

trait ReadInto {
    /// Reads until the buffer is full or the input ends; how much was read.
    fn read_to_end_into(self, buffer: &mut [u8]) -> io::Result<usize>;
}

impl<R: Read> ReadInto for R {
    fn read_to_end_into(mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            match self.read(buffer) {
                Ok(0) => break,
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(wanted - buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(input: &[u8], framing: Framing) -> Vec<Frame> {
        Frames::new(input, framing).map(Result::unwrap).collect()
    }

    fn record(offset: u64, bytes: &'static [u8]) -> Frame {
        Frame::Record { offset, bytes: Bytes::from_static(bytes) }
    }

    fn reason(frame: &Frame) -> (u64, &str) {
        match frame {
            Frame::Damaged { offset, reason } => (*offset, reason),
            Frame::Record { .. } => panic!("{frame:?}"),
        }
    }

    #[test]
    fn records_are_cut_out() {
        assert_eq!(frames(b"abc", Framing::None), [record(0, b"abc")]);
        let two = [record(4, b"abc"), record(11, b""), record(15, b"d")];
        assert_eq!(frames(b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d", Framing::Be32), two);
        assert_eq!(frames(b"\x03abc\x81\x00d", Framing::Varint), [record(1, b"abc"), record(6, b"d")]);
        assert_eq!(frames(b"", Framing::Be32), []);
        assert_eq!(frames(b"", Framing::Varint), []);
    }

    #[test]
    fn what_is_cut_off_is_told_with_its_place() {
        let cut = frames(b"\0\0\0\x01a\0\0\0\x05bc", Framing::Be32);
        assert_eq!(cut[0], record(4, b"a"));
        assert_eq!(reason(&cut[1]).0, 9);
        assert!(reason(&cut[1]).1.contains("5 bytes are announced, 2 are there"), "{cut:?}");
        assert_eq!(cut.len(), 2);
        assert_eq!(reason(&frames(b"\0\0\0", Framing::Be32)[0]).0, 0);
        assert_eq!(reason(&frames(b"\x01a\x80", Framing::Varint)[1]), (2, "truncated length"));
        assert_eq!(reason(&frames(b"", Framing::None)[0]), (0, "the input is empty"));
    }

    #[test]
    fn absurd_lengths_cost_nothing() {
        let huge = frames(b"\xff\xff\xff\xffabc", Framing::Be32);
        assert!(reason(&huge[0]).1.contains("4294967295 bytes are announced, 3 are there"), "{huge:?}");
        let endless = frames(&[0xff; 20], Framing::Varint);
        assert!(reason(&endless[0]).1.contains("no varint"), "{endless:?}");
        assert_eq!(endless.len(), 1);
    }
}
