//! Names of items in pull digests (spec/01 §13).

use bytes::Bytes;

/// The number of the block that a digest item names; `None` unless it is a decimal number of 64 bits, without sign.
///
/// Leading zeros are read. Such an item must still be asked for verbatim, and no Fabric peer will find it.
pub fn block_number(item: &[u8]) -> Option<u64> {
    // unlike `str::parse`, a sign is not accepted
    if item.is_empty() || !item.iter().all(u8::is_ascii_digit) {
        return None;
    }
    item.iter().try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// How a digest names a block.
pub fn of_block(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}
