//! The four-phase pull engine (spec/05 §10).
