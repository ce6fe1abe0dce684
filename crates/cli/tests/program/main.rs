//! The program as users run it: what it prints, and what it exits with.

#![allow(clippy::unwrap_used)]

mod block_show;
mod decode_choices;
mod decode_damage;
mod decode_recordings;
mod decode_signatures;
mod decode_text;
mod help;
mod ledger_folder;
mod ledger_import;
mod ledger_mend;
mod ledger_refusals;
mod probe_hostile;
mod probe_node;
mod probe_refused;
mod probe_tls;
mod sim_bounds;
mod sim_compare;
mod sim_run;
mod sim_wrong;
mod support;
