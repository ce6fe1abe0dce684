//! What Go peers log about the node.

use super::Outcome;
use crate::interop::network::{Network, Place};
use std::fs;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An expected line: a part of it, and whether it is expected only when a scenario ended the node.
struct Allowed<'t> {
    pattern: &'t str,
    only_when_down: bool,
}

/// No warning or error of a Go peer names the Selvedge node, but for the lines in `interop/allowed-log-lines.txt`.
pub(super) fn judge_logs(network: &Network, selvedge: &[Place], observed: &mut Vec<String>) -> Outcome {
    let text = fs::read_to_string(network.repository().join("interop/allowed-log-lines.txt"))?;
    let allowed = parse(&text)?;
    let (mut about_us, mut when_down) = (0, 0);
    let mut unknown = Vec::new();
    for entry in fs::read_dir(network.folder().join("logs"))? {
        let file = entry?.path();
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("peer") || selvedge.iter().any(|place| place.short_name() == name) {
            continue;
        }
        for line in fs::read_to_string(&file)?.lines() {
            let loud = ["WARN", "ERRO", "PANI", "panic:", "FATA"].iter().any(|level| line.contains(level));
            let Some(about) = selvedge.iter().find(|place| line.contains(&place.endpoint())) else {
                continue;
            };
            if !loud {
                continue;
            }
            about_us += 1;
            let down = is_down(network, *about, line);
            let expected = allowed
                .iter()
                .any(|allowed| line.contains(allowed.pattern) && (down || !allowed.only_when_down));
            when_down += usize::from(expected && down);
            if !expected {
                unknown.push(format!("{name}: {line}"));
            }
        }
    }
    observed.push(format!(
        "warnings and errors about the node in Go peers' logs: {about_us}, of which {when_down} while the scenario had ended it, and \
         {} not on the list",
        unknown.len()
    ));
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.truncate(5);
    Err(format!("Go peers complain about the node:\n{}", unknown.join("\n")).into())
}

/// Lines `pattern -- reason`, those for ended nodes after `down: `.
fn parse(text: &str) -> Result<Vec<Allowed<'_>>, Box<dyn std::error::Error>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (pattern, _reason) =
                line.split_once(" -- ").ok_or_else(|| format!("no reason given: {line}"))?;
            let (pattern, only_when_down) = match pattern.strip_prefix("down: ") {
                Some(pattern) => (pattern, true),
                None => (pattern, false),
            };
            Ok(Allowed { pattern: pattern.trim(), only_when_down })
        })
        .collect()
}

/// Whether a line was written while the scenario had ended the node, or just after.
fn is_down(network: &Network, place: Place, line: &str) -> bool {
    let Some(at) = time_of(line) else { return false };
    let name = place.short_name();
    network.downtimes().iter().filter(|down| down.name == name).any(|down| {
        // Fabric's clock and ours are the same; its log is written a moment later
        at + Duration::from_secs(1) >= down.from && down.to.is_none_or(|to| at <= to + down.echo)
    })
}

/// The time at the head of a line of Fabric's log, `2026-11-23 18:28:20.536 UTC` after perhaps a colour.
fn time_of(line: &str) -> Option<SystemTime> {
    let start = line.find("20")?;
    let text = line.get(start..start + 23)?;
    let parsed = OffsetDateTime::parse(&format!("{}Z", text.replacen(' ', "T", 1)), &Rfc3339).ok()?;
    Some(parsed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_fabric_lines_are_read() {
        let line = "\u{1b}[33m2026-11-23 18:28:20.536 UTC 0131 WARN [gossip.comm]";
        let at = time_of(line).map(OffsetDateTime::from).unwrap();
        assert_eq!((at.hour(), at.second(), at.millisecond()), (18, 20, 536));
        assert_eq!(time_of("no time here"), None);
    }

    #[test]
    fn a_line_without_reason_is_refused() {
        assert!(parse("something expected").is_err());
        let allowed = parse("# comment\ndown: EOF -- it was stopped\nodd -- because").unwrap();
        assert_eq!(allowed.iter().map(|allowed| allowed.only_when_down).collect::<Vec<_>>(), [true, false]);
    }
}
