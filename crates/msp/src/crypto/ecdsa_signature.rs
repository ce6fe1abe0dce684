//! ECDSA signatures as bytes: strict DER of r and s, and the low-S rule.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Curve, SignatureError};
use crate::der::{INTEGER, Reader, SEQUENCE, integer_is_negative, write_element};

/// The two numbers of a signature, as positive big-endian integers without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EcdsaSignature<'a> {
    r: &'a [u8],
    s: &'a [u8],
    /// The DER of exactly (r, s), where the received bytes hold it as it is.
    canonical: Option<&'a [u8]>,
}

impl<'a> EcdsaSignature<'a> {
    /// Reads the signature of a message as Fabric does (spec/03 §7): the DER of r and s is strict and both are
    /// positive, but whatever follows s inside the SEQUENCE, or the SEQUENCE itself, is ignored. A signature is
    /// therefore malleable and must never serve as an identifier (spec/03 §12, 12).
    pub(crate) fn read(signature: &'a [u8]) -> Result<Self, SignatureError> {
        if signature.is_empty() {
            return Err(SignatureError::Empty);
        }
        let mut outer = Reader::new(signature);
        let sequence = outer.expect(SEQUENCE)?;
        let mut inner = Reader::new(sequence.contents);
        let r = positive(inner.expect(INTEGER)?.contents)?;
        let s = positive(inner.expect(INTEGER)?.contents)?;
        let canonical = inner.is_empty().then_some(sequence.raw);
        Ok(Self { r, s, canonical })
    }

    /// Whether s ≤ ⌊n/2⌋.
    pub(crate) fn is_low_s(&self, curve: Curve) -> bool {
        compare(self.s, curve.half_order()) != Ordering::Greater
    }

    /// The DER of exactly (r, s).
    pub(crate) fn canonical(&self) -> Cow<'a, [u8]> {
        self.canonical.map_or_else(|| Cow::Owned(encode(self.r, self.s)), Cow::Borrowed)
    }

    /// The DER of (r, s) with s replaced by n − s where it is high. None if s exceeds the order, which no valid
    /// signature has.
    pub(crate) fn low_s(&self, curve: Curve) -> Option<Cow<'a, [u8]>> {
        if self.is_low_s(curve) {
            return Some(self.canonical());
        }
        let s = subtract(curve.order(), self.s)?;
        Some(Cow::Owned(encode(self.r, &s)))
    }
}

/// Makes a low-S signature in DER of r ‖ s, each as wide as the order of the curve.
pub(crate) fn from_fixed(curve: Curve, fixed: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(curve.order().len())?;
    let (r, s) = (strip(r), strip(s));
    if compare(s, curve.half_order()) == Ordering::Greater {
        return Some(encode(r, &subtract(curve.order(), s)?));
    }
    Some(encode(r, s))
}

fn positive(contents: &[u8]) -> Result<&[u8], SignatureError> {
    if integer_is_negative(contents)? {
        return Err(SignatureError::NotPositive);
    }
    let digits = strip(contents);
    if digits.is_empty() { Err(SignatureError::NotPositive) } else { Ok(digits) }
}

fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|digit| **digit == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Compares two big-endian integers.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (strip(a), strip(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// a − b of big-endian integers; None if negative.
fn subtract(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    if compare(a, b) == Ordering::Less {
        return None;
    }
    let mut difference = a.to_vec();
    let mut borrow = false;
    let subtrahend = strip(b).iter().rev().copied().chain(std::iter::repeat(0));
    for (digit, take) in difference.iter_mut().rev().zip(subtrahend) {
        let (partial, first) = digit.overflowing_sub(take);
        let (result, second) = partial.overflowing_sub(u8::from(borrow));
        *digit = result;
        borrow = first || second;
    }
    Some(difference)
}

fn encode(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(r.len() + s.len() + 6);
    for number in [strip(r), strip(s)] {
        let sign: &[u8] = if number.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
        write_element(&mut numbers, INTEGER, &[sign, number]);
    }
    let mut out = Vec::with_capacity(numbers.len() + 3);
    write_element(&mut out, SEQUENCE, &[&numbers]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        encode(r, s)
    }

    #[test]
    fn half_an_order_is_low_and_one_more_is_high() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let half = curve.half_order();
            let mut above = half.to_vec();
            *above.last_mut().unwrap() += 1;
            assert!(EcdsaSignature::read(&der(&[1], half)).unwrap().is_low_s(curve), "{curve:?}");
            let high = der(&[1], &above);
            let high = EcdsaSignature::read(&high).unwrap();
            assert!(!high.is_low_s(curve), "{curve:?}");
            // the order is odd, so n − (⌊n/2⌋ + 1) = ⌊n/2⌋
            assert_eq!(high.low_s(curve).unwrap(), der(&[1], half));
        }
    }

    #[test]
    fn an_s_beyond_the_order_has_no_low_form() {
        let beyond = der(&[1], &[0xff; 32]);
        assert_eq!(EcdsaSignature::read(&beyond).unwrap().low_s(Curve::P256), None);
    }

    #[test]
    fn structure_is_strict() {
        let good = der(&[1], &[2]);
        assert_eq!(good, [0x30, 6, 2, 1, 1, 2, 1, 2]);
        assert_eq!(EcdsaSignature::read(&[]), Err(SignatureError::Empty));
        for bad in [
            &[0x31, 6, 2, 1, 1, 2, 1, 2][..],
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 2],
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2],
            &[0x30, 3, 2, 1, 1],
            &[0x30, 6, 2, 1, 1, 4, 1, 2],
            &[0x30, 5, 2, 0, 2, 1, 2],
            &[0x30, 6, 2, 1, 1, 2, 1],
        ] {
            assert!(matches!(EcdsaSignature::read(bad), Err(SignatureError::NotDer(_))), "{bad:02x?}");
        }
        for not_positive in [&[0x30, 6, 2, 1, 0, 2, 1, 2][..], &[0x30, 6, 2, 1, 1, 2, 1, 0x80]] {
            assert_eq!(EcdsaSignature::read(not_positive), Err(SignatureError::NotPositive));
        }
    }

    #[test]
    fn what_follows_s_is_ignored_and_not_handed_on() {
        let outside = [0x30, 6, 2, 1, 1, 2, 1, 2, 0xde, 0xad];
        let inside = [0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3];
        for signature in [&outside[..], &inside] {
            let read = EcdsaSignature::read(signature).unwrap();
            assert_eq!(read.canonical(), &[0x30, 6, 2, 1, 1, 2, 1, 2][..]);
        }
    }
}
