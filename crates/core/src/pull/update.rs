//! The items that answer a request.

use crate::messages::{self, PullOf};
use selvedge_proto::envelope::Envelope;

/// Updates around items, each of at most `bytes_max` unless it holds a single larger item; Fabric takes several under one
/// nonce.
pub(crate) fn updates(of: PullOf<'_>, nonce: u64, items: &[Envelope], bytes_max: usize) -> Vec<Envelope> {
    let mut updates = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut bytes = 0_usize;
        let fits = |item: &&Envelope| {
            bytes = bytes.saturating_add(item.byte_count());
            bytes <= bytes_max
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, after) = rest.split_at(count);
        updates.push(messages::update(of, nonce, batch));
        rest = after;
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_proto::envelope::seal;

    fn element_counts(sizes: &[usize], bytes_max: usize) -> Vec<usize> {
        let item = |size: &usize| Envelope::from(seal(&[], &vec![0; size - 2], None));
        let items: Vec<Envelope> = sizes.iter().map(item).collect();
        assert!(items.iter().zip(sizes).all(|(item, size)| item.byte_count() == *size));
        let updates = updates(PullOf::Identities, 1, &items, bytes_max).into_iter();
        updates.map(|update| update.view().unwrap().elements().count()).collect()
    }

    #[test]
    fn a_large_answer_is_split() {
        assert_eq!(element_counts(&[], 10), []);
        assert_eq!(element_counts(&[4, 4, 4], 10), [2, 1]);
        assert_eq!(element_counts(&[40, 4, 40], 10), [1, 1, 1]);
        assert_eq!(element_counts(&[5, 5], 10), [2]);
    }
}
