//! What opening a ledger found, in words for an operator.

use std::fmt;

use crate::recovery::Recovery;

/// One thing that opening a ledger found. Displayed as one line that names file and offset where there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    text: String,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// What a kill or a power failure leaves behind; nothing that was promised is affected.
    Harmless,
    /// Something that was durable is gone or damaged, or was exchanged: look after the disk.
    Loss,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Recovery {
    /// What is to be told of it, one line each; none if there is nothing to tell.
    pub fn findings(&self) -> Vec<Finding> {
        let harmless = |text| Finding { severity: Severity::Harmless, text };
        let loss = |text| Finding { severity: Severity::Loss, text };
        let mut findings = Vec::new();
        if let Some(aside) = &self.metadata_moved {
            findings.push(loss(format!(
                "the metadata could not be read and is made anew; it was moved to {}",
                aside.display()
            )));
        }
        for file in &self.headers_repaired {
            findings.push(loss(format!("the header of {} was damaged and is made anew", file.display())));
        }
        for file in &self.moved_aside {
            findings.push(loss(format!(
                "{0} has neither a readable header nor a readable block; it is {0}.damaged from now on",
                file.display()
            )));
        }
        for file in &self.indexes_rebuilt {
            findings.push(harmless(format!(
                "the index {} was missing or did not match and is made anew",
                file.display()
            )));
        }
        if let Some(number) = self.hash_differs {
            findings.push(loss(format!(
                "block {number} is not the one that was remembered: files of two ledgers were mixed"
            )));
        }
        if let Some(lost) = &self.lost_tail {
            findings.push(loss(format!(
                "blocks {} to {} were durable and are gone: {} is cut or damaged from offset {} on, by {} bytes that cannot \
                 be read; they must be fetched again",
                lost.found_height,
                lost.known_height.saturating_sub(1),
                lost.file.display(),
                lost.offset,
                lost.bytes
            )));
        }
        if let Some(torn) = &self.torn_tail {
            findings.push(harmless(format!(
                "block {} was being written when the process ended, and never was durable: {} bytes from offset {} of {} do \
                 not count",
                torn.first,
                torn.bytes,
                torn.offset,
                torn.file.display()
            )));
        }
        findings.extend(self.damage.iter().map(|damage| loss(damage.to_string())));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::{Damage, DamageCause};
    use crate::recovery::{LostTail, TornTail};

    #[test]
    fn nothing_found_is_nothing_told() {
        assert_eq!(Recovery::default().findings(), []);
        assert_eq!(Recovery { created: true, ..Recovery::default() }.findings(), []);
    }

    #[test]
    fn each_finding_is_one_line_with_its_place() {
        let recovery = Recovery {
            torn_tail: Some(TornTail { file: "a.segment".into(), offset: 10, bytes: 5, first: 7 }),
            lost_tail: Some(LostTail {
                known_height: 9,
                found_height: 7,
                file: "b.segment".into(),
                offset: 11,
                bytes: 6,
            }),
            damage: vec![Damage {
                first: 3,
                last: 3,
                file: "c.segment".into(),
                offset: 12,
                cause: DamageCause::Changed,
            }],
            indexes_rebuilt: vec!["d.index".into()],
            headers_repaired: vec!["e.segment".into()],
            moved_aside: vec!["f.segment".into()],
            metadata_moved: Some("g.damaged".into()),
            hash_differs: Some(8),
            created: false,
        };
        let findings = recovery.findings();
        let of = |severity| {
            let of = findings.iter().filter(move |finding| finding.severity == severity);
            of.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!((of(Severity::Harmless).len(), of(Severity::Loss).len()), (2, 6));
        let all = of(Severity::Harmless).into_iter().chain(of(Severity::Loss)).collect::<Vec<_>>().join("\n");
        for part in [
            "block 7 was being written",
            "5 bytes from offset 10 of a.segment",
            "blocks 7 to 8 were durable and are gone: b.segment is cut or damaged from offset 11",
            "block 3 is damaged: changed bytes in c.segment from offset 12",
            "index d.index",
            "header of e.segment",
            "it is f.segment.damaged",
            "moved to g.damaged",
            "block 8 is not the one",
        ] {
            assert!(all.contains(part), "{part}\n{all}");
        }
        assert_eq!(all.lines().count(), 8);
    }
}
