//! The four-phase pull engine (spec/05 §10): hello, digest, request, update.
//!
//! Used twice, for identities ([`PkiId`](crate::PkiId) as item id) and for the blocks of a channel (`u64`). Both halves are
//! bookkeeping only: what is held, who may see it and what an item is worth is the business of their owners. Nonces belong to
//! the peer they were exchanged with (W-6); everything is bounded (W-7).

mod initiator;
mod responder;
mod update;

pub(crate) use initiator::{Initiator, Request};
pub(crate) use responder::Responder;
pub(crate) use update::updates;
