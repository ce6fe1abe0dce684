//! The steps below gossip: resolve, TCP, TLS, ping.

use super::report::{Report, Step};
use super::setup::unix_now;
use super::{Probe, explain};
use crate::show::{common_name, hex, seconds};
use selvedge::transport::{
    CertificateSummary, DialError, DialProgress, DialStep, Http2Connection, TlsReport,
};
use std::time::{Duration, Instant};

/// Days before its end at which a certificate is to be renewed.
const RENEW_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 24 * 3600;

/// How much of a dial is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Everything,
    /// It has been shown before.
    Failures,
}

impl Probe {
    /// Connects and pings.
    pub(super) async fn dial(&mut self, telling: Telling) -> Option<Http2Connection> {
        let has_tls = self.setup.tls.is_some();
        let begun = Instant::now();
        let report = &mut self.report;
        let mut observe = |progress: DialProgress| {
            if telling == Telling::Everything {
                show(report, progress, begun.elapsed());
            }
        };
        let connected = self.transport.connect(&self.target, self.timeout, &mut observe).await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => {
                self.report.step(failure(&error, has_tls));
                return None;
            }
        };
        if telling == Telling::Everything && !has_tls {
            self.report.step(Step::ok("TLS", "off (--no-tls, or peer.tls.enabled: false)"));
        }
        match self.transport.ping(&mut connection, self.timeout).await {
            Ok(elapsed) if telling == Telling::Everything => {
                self.report.step(Step::ok("ping", "gossip.Gossip/Ping is answered").took(elapsed));
            }
            Ok(_) => {}
            Err(error) => {
                self.report.step(failure(&error, has_tls));
                return None;
            }
        }
        Some(connection)
    }
}

fn show(report: &mut Report, progress: DialProgress, elapsed: Duration) {
    match progress {
        DialProgress::Resolved(addresses) => {
            let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            report.step(Step::ok("resolve", texts.join(", ")).took(elapsed).shown_as(
                "addresses",
                texts,
                Vec::new(),
            ));
        }
        DialProgress::Tcp { address, elapsed } => {
            let text = address.to_string();
            report.step(Step::ok("TCP", format!("connected to {text}")).took(elapsed).shown_as(
                "address",
                text,
                Vec::new(),
            ));
        }
        DialProgress::Tls { report: session, elapsed } => report.step(tls(&session).took(elapsed)),
        _ => {}
    }
}

fn tls(session: &TlsReport) -> Step {
    let version = session.version.replace("TLSv1_", "TLS 1.");
    let step = Step::ok("TLS", format!("{version}, {}", session.cipher_suite))
        .shown_as("version", version, Vec::new())
        .shown_as("cipher_suite", session.cipher_suite.clone(), Vec::new());
    let Some(leaf) = session.presented.first() else { return step };
    let step = certificate(step, leaf, &session.presented);
    let days = days_left(leaf);
    if days < RENEW_DAYS {
        let problem = format!("the certificate expires in {days} days");
        return step.warn(&problem, "have the peer's TLS certificate renewed before");
    }
    step
}

fn days_left(certificate: &CertificateSummary) -> i64 {
    certificate.not_after_seconds.saturating_sub(unix_now()) / DAY_SECONDS
}

fn certificate(step: Step, leaf: &CertificateSummary, presented: &[CertificateSummary]) -> Step {
    let (not_after, days) = (leaf.not_after_seconds, days_left(leaf));
    let names = if leaf.names.is_empty() { vec!["none".to_owned()] } else { vec![leaf.names.join(", ")] };
    let step = step
        .detail("subject", leaf.subject.clone())
        .shown_as("names", leaf.names.clone(), names)
        .detail("issuer", leaf.issuer.clone())
        .shown_as("expires", not_after, vec![format!("{} (in {days} days)", seconds(not_after))])
        .shown_as("expires_in_days", days, Vec::new())
        .detail("key", leaf.key.clone())
        .shown_as("hash", hex(&leaf.hash), vec![format!("SHA-256 {}", hex(&leaf.hash))]);
    if presented.len() < 2 {
        return step;
    }
    let others: Vec<String> =
        presented.iter().skip(1).map(|certificate| common_name(&certificate.subject)).collect();
    step.detail("chain", others)
}

fn failure(error: &DialError, has_tls: bool) -> Step {
    let name = match error.step() {
        DialStep::Resolve => "resolve",
        DialStep::Tcp => "TCP",
        DialStep::Tls => "TLS",
        DialStep::Http2 => "HTTP/2",
        DialStep::Ping => "ping",
        DialStep::Stream => "stream",
    };
    let (problem, advice) = explain::dial(error, has_tls);
    let step = Step::failed(name, problem, advice);
    match error {
        DialError::Tls { presented, .. } => match presented.first() {
            Some(leaf) => certificate(step, leaf, presented),
            None => step,
        },
        _ => step,
    }
}
