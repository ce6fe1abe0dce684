//! Identities seen so far, by PKI-ID.

use crate::failure::Failure;
use crate::show::{Claimed, clean, short};
use crate::trust::Trust;
use bytes::Bytes;
use prost::Message as _;
use selvedge_msp::{PkiId, pki_id};
use selvedge_proto::msp::SerializedIdentity;
use std::collections::BTreeMap;
use std::path::Path;

/// Identities beyond are not remembered.
const IDENTITIES_MAX: usize = 65_536;

/// Whose PKI-ID is whose.
#[derive(Debug, Default)]
pub(crate) struct IdentityBook {
    identities: BTreeMap<PkiId, (Bytes, Option<Claimed>)>,
}

impl IdentityBook {
    /// Remembers an identity under the PKI-ID that follows from it. Nothing is verified: nobody can make an identity for a
    /// given PKI-ID.
    pub(crate) fn learn(&mut self, identity: &Bytes) {
        if let Ok(pki_id) = pki_id(identity)
            && self.identities.len() < IDENTITIES_MAX
        {
            self.identities
                .entry(pki_id)
                .or_insert_with(|| (Bytes::copy_from_slice(identity), Claimed::read(identity)));
        }
    }

    /// The identity of a PKI-ID.
    pub(crate) fn identity(&self, pki_id: &[u8]) -> Option<&Bytes> {
        let pki_id = PkiId::try_from(pki_id).ok()?;
        self.identities.get(&pki_id).map(|(identity, _)| identity)
    }

    /// Who has a PKI-ID.
    pub(crate) fn claimed(&self, pki_id: &[u8]) -> Option<&Claimed> {
        let pki_id = PkiId::try_from(pki_id).ok()?;
        self.identities.get(&pki_id).and_then(|(_, claimed)| claimed.as_ref())
    }

    /// `8bcace8b peer0.org1.example.com (Org1MSP)`, or the first part of it.
    pub(crate) fn name(&self, pki_id: &[u8]) -> String {
        match self.claimed(pki_id) {
            Some(claimed) => format!("{} {claimed}", short(pki_id)),
            None => short(pki_id),
        }
    }

    /// Reads a file of `--identity`: a serialized identity or, after `MSPID=`, a certificate in PEM.
    pub(crate) fn load(&mut self, text: &str, trust: &Trust) -> Result<(), Failure> {
        let (msp_id, file) = match text.split_once('=') {
            Some((msp_id, file)) if !Path::new(text).exists() => (Some(msp_id), file),
            _ => (None, text),
        };
        let refused = |reason: String| Failure::because(format!("--identity {}: {reason}", clean(file)));
        let bytes = Bytes::from(std::fs::read(file).map_err(|error| refused(error.to_string()))?);
        let identity = match msp_id {
            None => bytes,
            Some(msp_id) => {
                let identity = SerializedIdentity { mspid: msp_id.to_owned(), id_bytes: bytes };
                let identity = Bytes::from(identity.encode_to_vec());
                // a peer sends its certificate in one certain form, and its PKI-ID follows from that
                trust.identity(&identity).map_or(identity, |accepted| accepted.serialize())
            }
        };
        pki_id(&identity).map_err(|error| {
            let hint = if msp_id.is_none() { "; for a certificate say MSPID=FILE" } else { "" };
            refused(format!("{error}{hint}"))
        })?;
        if Claimed::read(&identity).is_none_or(|claimed| claimed.certificate.is_none()) {
            let hint = if msp_id.is_none() { "; for a certificate say MSPID=FILE" } else { "" };
            return Err(refused(format!("no certificate in it{hint}")));
        }
        self.learn(&identity);
        Ok(())
    }
}
