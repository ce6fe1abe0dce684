//! The steps of a probe, as lines while it goes on or as one JSON object at its end.

use crate::show::clean_up_to;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use std::io::Write as _;
use std::time::Duration;

/// The longest line.
const LINE_CHARS_MAX: usize = 2000;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Done, and something should be seen to.
    Warning,
    Failed,
}

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    name: &'static str,
    status: Status,
    elapsed: Option<Duration>,
    /// What was found, in a few words.
    summary: String,
    details: Vec<Detail>,
    /// What to do about it.
    advice: Option<String>,
}

/// Something found; the key with underscores is its name in JSON.
#[derive(Debug)]
struct Detail {
    key: &'static str,
    value: Value,
    /// How it is shown, where that is not as it stands.
    lines: Option<Vec<String>>,
}

impl Step {
    pub(super) fn ok(name: &'static str, summary: impl Into<String>) -> Self {
        let summary = summary.into();
        Self { name, status: Status::Ok, elapsed: None, summary, details: Vec::new(), advice: None }
    }

    pub(super) fn failed(
        name: &'static str,
        problem: impl Into<String>,
        advice: impl Into<Option<String>>,
    ) -> Self {
        Self { status: Status::Failed, advice: advice.into(), ..Self::ok(name, problem) }
    }

    /// How long it took.
    pub(super) fn took(mut self, elapsed: Duration) -> Self {
        self.elapsed = Some(elapsed);
        self
    }

    pub(super) fn detail(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.details.push(Detail { key, value: value.into(), lines: None });
        self
    }

    /// A detail that is shown otherwise than in JSON.
    pub(super) fn shown_as(mut self, key: &'static str, value: impl Into<Value>, lines: Vec<String>) -> Self {
        self.details.push(Detail { key, value: value.into(), lines: Some(lines) });
        self
    }

    /// It is done, but.
    pub(super) fn warn(mut self, problem: &str, advice: impl Into<String>) -> Self {
        self.status = Status::Warning;
        self.summary = format!("{}; {problem}", self.summary);
        self.advice = Some(advice.into());
        self
    }

    /// What was found is not as it must be.
    pub(super) fn fail(mut self, problem: &str, advice: impl Into<String>) -> Self {
        self = self.warn(problem, advice);
        self.status = Status::Failed;
        self
    }

    /// It seemed to be done, and was not.
    pub(super) fn instead_failed(mut self, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        self.status = Status::Failed;
        self.summary = problem.into();
        self.advice = Some(advice.into());
        self
    }

    fn text(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "WARNING",
            Status::Failed => "FAILED",
        };
        let elapsed =
            self.elapsed.map(|elapsed| format!(" ({:.1} ms)", milliseconds(elapsed))).unwrap_or_default();
        let mut text = format!("{status:<8} {:<11} {}{elapsed}\n", self.name, clean_line(&self.summary));
        let mut field = |label: &str, value: &str| {
            text.push_str(&format!("{:21}{label:<16} {value}\n", ""));
        };
        for detail in &self.details {
            let label = detail.key.replace('_', " ").replace("pki id", "PKI-ID");
            for (index, line) in detail.lines().iter().enumerate() {
                field(if index == 0 { &label } else { "" }, &clean_line(line));
            }
        }
        if let Some(advice) = &self.advice {
            field("what to do", &clean_line(advice));
        }
        text
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// What others say may be long, and is escaped.
fn clean_line(text: &str) -> String {
    clean_up_to(text, LINE_CHARS_MAX)
}

impl Detail {
    fn lines(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match (&self.lines, &self.value) {
            (Some(lines), _) => lines.clone(),
            (None, Value::Array(values)) => vec![values.iter().map(text).collect::<Vec<_>>().join(", ")],
            (None, value) => vec![text(value)],
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", self.name)?;
        map.serialize_entry("status", &self.status)?;
        if let Some(elapsed) = self.elapsed {
            map.serialize_entry("elapsed_ms", &milliseconds(elapsed))?;
        }
        map.serialize_entry("summary", &self.summary)?;
        if let Some(advice) = &self.advice {
            map.serialize_entry("advice", advice)?;
        }
        for detail in &self.details {
            map.serialize_entry(detail.key, &detail.value)?;
        }
        map.end()
    }
}

/// All steps.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    endpoint: String,
    ok: bool,
    steps: Vec<Step>,
    #[serde(skip)]
    json: bool,
}

impl Report {
    pub(super) fn new(endpoint: &str, json: bool) -> Self {
        Self { endpoint: endpoint.to_owned(), ok: true, steps: Vec::new(), json }
    }

    /// A line that is of no interest to programs.
    pub(super) fn remark(&self, text: &str) {
        if !self.json {
            print(&format!("{text}\n"));
        }
    }

    /// Takes a step, and shows it.
    pub(super) fn step(&mut self, step: Step) {
        self.ok &= step.status != Status::Failed;
        if !self.json {
            print(&step.text());
        }
        self.steps.push(step);
    }

    /// Shows what is still to be shown; whether all steps were done.
    pub(super) fn finish(self) -> serde_json::Result<bool> {
        if self.json {
            print(&(serde_json::to_string(&self)? + "\n"));
        }
        Ok(self.ok)
    }
}

/// Whoever no longer reads misses it.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_text_and_json() {
        let step = Step::ok("TLS", "TLSv1_3")
            .took(Duration::from_micros(1500))
            .detail("names", vec!["a", "\u{1b}b"])
            .warn("expires in 3 days", "renew it");
        let text = step.text();
        assert!(text.starts_with("WARNING  TLS         TLSv1_3; expires in 3 days (1.5 ms)\n"), "{text}");
        assert!(text.contains("names            a, \\u{1b}b\n"), "{text}");
        assert!(text.contains("what to do       renew it\n"), "{text}");
        assert_eq!(
            serde_json::to_string(&step).unwrap(),
            r#"{"step":"TLS","status":"warning","elapsed_ms":1.5,"summary":"TLSv1_3; expires in 3 days","#
                .to_owned()
                + r#""advice":"renew it","names":["a","\u001bb"]}"#
        );
    }

    #[test]
    fn one_failed_step_fails_the_probe() {
        let mut report = Report::new("peer0:7051", true);
        report.step(Step::ok("TCP", "there"));
        assert!(report.ok);
        report.step(Step::failed("TLS", "no", None));
        report.step(Step::ok("ping", "there"));
        assert!(!report.ok);
    }
}
