//! Settings by name, so that a setting that is missing or unknown is noticed and named.

use super::reading::RecordingError;
use super::wire::Setting;
use crate::config::Config;
use crate::limits::Limits;
use crate::rules::Rules;
use core::time::Duration;

/// A setting as a number.
trait Number {
    fn get(&self) -> u64;
    fn set(&mut self, value: u64) -> Option<()>;
}

impl Number for Duration {
    fn get(&self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }

    fn set(&mut self, value: u64) -> Option<()> {
        *self = Self::from_nanos(value);
        Some(())
    }
}

impl Number for bool {
    fn get(&self) -> u64 {
        u64::from(*self)
    }

    fn set(&mut self, value: u64) -> Option<()> {
        *self = match value {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(())
    }
}

impl Number for Rules {
    fn get(&self) -> u64 {
        u64::from(*self == Self::Fabric)
    }

    fn set(&mut self, value: u64) -> Option<()> {
        *self = match value {
            0 => Self::Selvedge,
            1 => Self::Fabric,
            _ => return None,
        };
        Some(())
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Number for $integer {
            fn get(&self) -> u64 {
                u64::try_from(*self).unwrap_or(u64::MAX)
            }

            fn set(&mut self, value: u64) -> Option<()> {
                *self = Self::try_from(value).ok()?;
                Some(())
            }
        }
    )*};
}

integers!(u32, u64, usize);

/// Names every field: one that is added must be added here, or this does not compile.
macro_rules! named {
    ($all:expr, $kind:ident { $($field:ident),* ; $($apart:ident),* }) => {{
        let $kind { $($field,)* $($apart: _,)* } = $all;
        vec![$((stringify!($field), $field as &mut dyn Number)),*]
    }};
}

fn all<'a>(config: &'a mut Config, limits: &'a mut Limits) -> Vec<(&'static str, &'a mut dyn Number)> {
    let own = named!(config, Config {
        dial_timeout, connection_timeout, alive_time_interval, alive_expiration_timeout, reconnect_interval,
        message_expiration_factor, publish_certificate_period, propagate_peer_count, pull_interval,
        pull_peer_count, digest_wait, request_wait, response_wait, publish_state_info_interval,
        request_state_info_interval, state_info_spacing, block_window, block_gossip_enabled,
        state_transfer_enabled, state_check_interval, state_response_timeout, state_batch_size,
        state_gap_patience, rules, burst_size, burst_latency, neighbour_count ; endpoint, external_endpoint, bootstrap, limits
    });
    let limits = named!(limits, Limits {
        handshakes_max, connections_max, early_frames_max, early_bytes_max, waiting_sends_per_peer_max,
        tickets_per_connection_max, identities_max, identities_per_key_max, members_max, endpoint_bytes_max,
        metadata_bytes_max, identity_bytes_max, elements_per_message_max, state_info_bytes_max,
        relayed_state_infos_max, requests_per_second_max, nonces_per_peer_max, block_buffer_count_max,
        block_buffer_bytes_max, block_checks_in_flight_max, commits_in_flight_max,
        state_requests_per_peer_max, state_requests_max, state_serves_per_peer_max, state_serves_max,
        state_response_bytes_max ;
    });
    own.into_iter().chain(limits).collect()
}

/// Every setting that is a number.
pub(super) fn write(config: &Config) -> Vec<Setting> {
    let (mut config, mut limits) = (config.clone(), config.limits.clone());
    let all = all(&mut config, &mut limits).into_iter();
    all.map(|(name, number)| Setting { name: name.to_owned(), value: number.get() }).collect()
}

/// Settings of which each is given once.
pub(super) fn read(settings: &[Setting]) -> Result<Config, RecordingError> {
    let (mut config, mut limits) = (Config::default(), Limits::default());
    let mut missing = all(&mut config, &mut limits);
    for Setting { name, value } in settings {
        let place = missing.iter().position(|(known, _)| known == name);
        let place = place.ok_or_else(|| RecordingError::Setting { name: name.clone(), is: "unknown" })?;
        let (_, number) = missing.swap_remove(place);
        number
            .set(*value)
            .ok_or_else(|| RecordingError::Setting { name: name.clone(), is: "out of range" })?;
    }
    if let Some((name, _)) = missing.first() {
        return Err(RecordingError::Setting { name: (*name).to_owned(), is: "missing" });
    }
    drop(missing);
    Ok(Config { limits, ..config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_comes_back() {
        let mut config = Config { block_window: 77, state_transfer_enabled: true, ..Config::default() };
        config.limits.members_max = 5;
        assert_eq!(read(&write(&config)), Ok(config));
    }

    #[test]
    fn a_setting_of_another_version_is_named() {
        let settings = write(&Config::default());
        let (last, others) = settings.split_last().unwrap();
        let is = |settings: &[Setting]| match read(settings) {
            Err(RecordingError::Setting { name, is }) => (name, is),
            other => panic!("{other:?}"),
        };
        assert_eq!(is(others), (last.name.clone(), "missing"));
        let unknown = Setting { name: "patience".to_owned(), value: 1 };
        assert_eq!(is(&[settings.clone(), vec![unknown]].concat()), ("patience".to_owned(), "unknown"));
        assert_eq!(
            is(&[settings.clone(), vec![last.clone()]].concat()),
            (last.name.clone(), "unknown"),
            "twice"
        );
        let flag = Setting { name: "block_gossip_enabled".to_owned(), value: 2 };
        assert_eq!(is(&[flag]), ("block_gossip_enabled".to_owned(), "out of range"));
    }
}
