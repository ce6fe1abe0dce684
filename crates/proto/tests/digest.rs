//! Names of blocks in pull digests (spec/01 §13).

use selvedge_proto::digest::{block_number, of_block};

#[test]
fn blocks_are_named_in_decimal() {
    for number in [0, 9, 10, 12_345, u64::MAX] {
        assert_eq!(block_number(&of_block(number)), Some(number));
    }
    assert_eq!(of_block(10), "10");
}

#[test]
fn leading_zeros_are_read() {
    assert_eq!(block_number(b"010"), Some(10));
    assert_eq!(block_number(b"000000000000000000000000000010"), Some(10));
}

#[test]
fn anything_else_is_no_block() {
    for item in ["", "+1", "-1", " 1", "1 ", "1_000", "0x10", "1e3", "18446744073709551616", "1\u{0}", "١"] {
        assert_eq!(block_number(item.as_bytes()), None, "{item}");
    }
    assert_eq!(block_number(&[0xff; 32]), None, "a PKI-ID");
}
