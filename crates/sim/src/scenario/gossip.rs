//! Settings of the protocol that a scenario changes.

use super::values::some;
use core::time::Duration;
use selvedge_core::{Config, Rules};
use serde::Deserialize;

macro_rules! settings {
    (durations: $($duration:ident)*; flags: $($flag:ident)*; counts: $($count:ident: $kind:ty,)*) => {
        /// Settings of the protocol, named as the fields of [`Config`] and, so far as Fabric has them, as in `core.yaml`.
        /// What is absent is as Fabric has it; but state transfer is on.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Gossip {
            $(
                #[doc = concat!("[`Config::", stringify!($duration), "`].")]
                #[serde(deserialize_with = "some")]
                pub $duration: Option<Duration>,
            )*
            $(#[doc = concat!("[`Config::", stringify!($flag), "`].")] pub $flag: Option<bool>,)*
            $(#[doc = concat!("[`Config::", stringify!($count), "`].")] pub $count: Option<$kind>,)*
        }

        impl Gossip {
            /// All settings of a peer that follows these rules, endpoints and bootstrap peers apart.
            pub fn config(&self, rules: Rules) -> Config {
                let config = match rules {
                    Rules::Selvedge => Config::default(),
                    Rules::Fabric => Config::fabric(),
                };
                let mut config = Config { state_transfer_enabled: true, ..config };
                $(if let Some(value) = self.$duration { config.$duration = value; })*
                $(if let Some(value) = self.$flag { config.$flag = value; })*
                $(if let Some(value) = self.$count { config.$count = value; })*
                config
            }
        }
    };
}

settings! {
    durations:
        dial_timeout connection_timeout alive_time_interval alive_expiration_timeout reconnect_interval
        publish_certificate_period burst_latency pull_interval digest_wait request_wait response_wait
        publish_state_info_interval request_state_info_interval state_info_spacing state_check_interval
        state_response_timeout state_gap_patience;
    flags: block_gossip_enabled state_transfer_enabled;
    counts:
        message_expiration_factor: u32,
        propagate_peer_count: usize,
        neighbour_count: usize,
        burst_size: usize,
        pull_peer_count: usize,
        block_window: u64,
        state_batch_size: u64,
}
