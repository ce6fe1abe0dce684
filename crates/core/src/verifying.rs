//! Messages whose signatures are being verified, so that a copy which comes meanwhile is not verified again.

use crate::ids::PkiId;
use crate::reject::{Reject, Unfitting};
use crate::table::Table;
use selvedge_proto::envelope::EnvelopeView;

/// Messages of one origin that are verified at the same time.
const PER_ORIGIN_MAX: usize = 4;

/// What is being verified, by origin.
#[derive(Debug)]
pub(crate) struct Verifying {
    by_origin: Table<PkiId, Vec<EnvelopeView>>,
}

impl Verifying {
    pub(crate) fn new(seed: u64) -> Self {
        Self { by_origin: Table::new(seed) }
    }

    /// Notes that a message's signature is being verified.
    ///
    /// # Errors
    ///
    /// [`Unfitting::Duplicate`] if this very message is already, [`Reject::OverLimit`] if too many others of its origin are.
    pub(crate) fn begin(&mut self, origin: PkiId, view: &EnvelopeView) -> Result<(), Reject> {
        let Some(verifying) = self.by_origin.get_or_insert_with(origin, Vec::new) else { return Ok(()) };
        if verifying.iter().any(|other| other.is_copy_of(view)) {
            return Err(Unfitting::Duplicate.into());
        }
        if verifying.len() >= PER_ORIGIN_MAX {
            return Err(Reject::OverLimit);
        }
        verifying.push(view.clone());
        Ok(())
    }

    /// The verification of a message has ended.
    pub(crate) fn end(&mut self, origin: &PkiId, view: &EnvelopeView) {
        if let Some(verifying) = self.by_origin.get_mut(origin) {
            verifying.retain(|other| other != view);
            if verifying.is_empty() {
                self.by_origin.remove(origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_proto::envelope::seal;

    const ORIGIN: PkiId = PkiId::new([1; 32]);

    fn view(text: &[u8]) -> EnvelopeView {
        EnvelopeView::parse(seal(&[0x0a, 0], text, None)).unwrap()
    }

    #[test]
    fn a_message_is_verified_once_and_a_forged_one_does_not_shut_out_the_true_one() {
        let mut verifying = Verifying::new(1);
        verifying.begin(ORIGIN, &view(b"forged")).unwrap();
        verifying.begin(ORIGIN, &view(b"true")).unwrap();
        assert_eq!(verifying.begin(ORIGIN, &view(b"true")), Err(Unfitting::Duplicate.into()));
        verifying.begin(ORIGIN, &view(b"3")).unwrap();
        verifying.begin(ORIGIN, &view(b"4")).unwrap();
        assert_eq!(verifying.begin(ORIGIN, &view(b"5")), Err(Reject::OverLimit));
        for text in [&b"forged"[..], b"true", b"3", b"4"] {
            verifying.end(&ORIGIN, &view(text));
        }
        assert_eq!(verifying.by_origin.len(), 0);
    }
}
