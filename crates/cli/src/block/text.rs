//! A block as readable text.

use super::summary::{BlockSummary, OrdererSignature, Transaction};
use crate::show::{Page, clean, count, seconds};
use crate::trust::Verdict;

/// Characters of a transaction's id that are shown.
const TX_ID_CHARS: usize = 16;

impl BlockSummary {
    /// Writes it, beginning with a headline.
    pub(crate) fn write(&self, page: &mut Page) {
        page.line(self.headline());
        page.indented(|page| self.write_body(page));
    }

    /// `block 82 of mychannel, 36305 bytes, 10 transactions`.
    pub(crate) fn headline(&self) -> String {
        format!(
            "{} {} of {}, {} bytes, {}",
            if self.is_config { "configuration block" } else { "block" },
            self.number,
            self.channel.as_deref().map_or_else(|| "no channel".to_owned(), clean),
            self.size,
            count(self.transactions.len(), "transaction"),
        )
    }

    /// What stands under the headline.
    pub(crate) fn write_body(&self, page: &mut Page) {
        page.field("header hash", &self.header_hash);
        page.field(
            "previous hash",
            if self.previous_hash.is_empty() { "none: the first block" } else { &self.previous_hash },
        );
        let fits = if self.data_hash_ok { "that of the data" } else { "NOT that of the data" };
        page.field("data hash", format_args!("{} ({fits})", self.data_hash));
        if let Some(last_config) = self.last_config {
            page.field("configuration", format_args!("of block {last_config}"));
        }
        if let Some(commit_hash) = &self.commit_hash {
            page.field("commit hash", commit_hash);
        }
        for signature in &self.signatures {
            page.field("signed by", signature.text());
        }
        page.field("orderers", self.verdict_text());
        for problem in &self.problems {
            page.field("problem", problem);
        }
        if let Some(config) = &self.config {
            page.field(
                "configures",
                format_args!("sequence {}, consensus {}", config.sequence, clean(&config.consensus)),
            );
            for organization in &config.organizations {
                let anchors: Vec<String> = organization.anchor_peers.iter().map(|peer| clean(peer)).collect();
                let anchors = if anchors.is_empty() { "none".to_owned() } else { anchors.join(", ") };
                let msp_id = clean(&organization.msp_id);
                page.field("organization", format_args!("{msp_id}, anchor peers: {anchors}"));
            }
            for orderer in &config.orderers {
                page.field("orderer", clean(orderer));
            }
        }
        for transaction in &self.transactions {
            page.field(&format!("transaction {}", transaction.index), transaction.text());
        }
    }

    fn verdict_text(&self) -> String {
        match (self.verdict(), self.checked_with_config) {
            (Verdict::Good, Some(number)) => {
                format!("ok: satisfies BlockValidation in the configuration of block {number}")
            }
            (Verdict::Good, None) => "ok".to_owned(),
            (Verdict::Bad(reason), _) => format!("WRONG: {reason}"),
            (Verdict::Unknown(reason), _) => format!("not checked: {reason}"),
        }
    }
}

impl OrdererSignature {
    fn text(&self) -> String {
        let mut text = match (&self.name, &self.msp_id) {
            (Some(name), Some(msp_id)) => format!("{} ({})", clean(name), clean(msp_id)),
            (None, Some(msp_id)) => format!("somebody of {}", clean(msp_id)),
            _ => "nobody known".to_owned(),
        };
        if let Some(consenter) = self.consenter {
            text.push_str(&format!(", consenter {consenter}"));
        }
        let reason = self.reason.as_deref().unwrap_or_default();
        match self.signature_ok {
            Some(true) => text + ": ok",
            Some(false) => format!("{text}: WRONG: {reason}"),
            None => format!("{text}: not checked: {reason}"),
        }
    }
}

impl Transaction {
    fn text(&self) -> String {
        if let Some(problem) = &self.problem {
            return format!("unreadable: {problem}");
        }
        let mut parts = vec![clean(&self.kind)];
        if !self.tx_id.is_empty() {
            parts.push(clean(&self.tx_id.chars().take(TX_ID_CHARS).collect::<String>()));
        }
        if !self.chaincode.is_empty() {
            parts.push(clean(&self.chaincode));
        }
        if !self.creator_msp_id.is_empty() {
            parts.push(format!("by {} ({})", clean(&self.creator), clean(&self.creator_msp_id)));
        }
        if let Some(at) = self.timestamp {
            parts.push(format!("at {}", seconds(at)));
        }
        if let Some(validation) = &self.validation {
            parts.push(validation.clone());
        }
        parts.join("  ")
    }
}
