//! From the two transcripts of a run to what is wrong with it.

use std::collections::BTreeSet;

use crate::chosen::Chosen;
use crate::client::Outcome;
use crate::comparison::{self, Comparison, Difference};
use crate::execution::{Run, Transcript};
use crate::rules::Rules;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Whose answer it is.
    pub(crate) api: String,
    pub(crate) difference: Difference,
}

/// The result of one run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) requests: usize,
    /// API and version of every request that was compared.
    pub(crate) covered: BTreeSet<(String, i16)>,
    pub(crate) explained: usize,
    /// With the number of the step.
    pub(crate) findings: Vec<(i16, Finding)>,
}

/// What runs are judged by.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) chosen: &'a Chosen,
    pub(crate) ports: (u16, u16),
}

impl Judge<'_> {
    pub(crate) fn judge(&self, run: &Run<'_>, kafka: &Transcript, zurau: &Transcript) -> Verdict {
        let case = run.case.full_name();
        let mut verdict = Verdict::default();
        let mut comparison = Comparison::new(self.rules, run.now, self.ports);
        comparison.learn(&kafka.symbols, &zurau.symbols);
        for (one, other) in kafka.exchanges.iter().zip(&zurau.exchanges) {
            verdict.requests += 1;
            verdict.covered.insert((one.api.clone(), one.version));
            let mut found = |mut difference: Difference| {
                // So that the same in several versions looks the same.
                for text in [
                    &mut difference.field,
                    &mut difference.kafka,
                    &mut difference.zurau,
                ] {
                    *text = zurau.symbols.written(&kafka.symbols.written(text));
                    *text = comparison::without_times(text, run.now);
                }
                let api = one.api.clone();
                verdict
                    .findings
                    .push((one.step, Finding { api, difference }));
            };
            if let Some(surprise) = &one.surprise {
                found(whole("(the case is wrong)", surprise, &other.outcome));
            }
            let differences = match (&one.outcome, &other.outcome) {
                (Outcome::Answer(one_value), Outcome::Answer(other_value)) => {
                    comparison.answers(&one.api, one_value, other_value)
                }
                (Outcome::Closed, Outcome::Closed) | (Outcome::Silent, Outcome::Silent) => vec![],
                (one, other) => vec![whole("(outcome)", one, other)],
            };
            for difference in differences {
                if self
                    .chosen
                    .explains(&case, &one.api, one.version, &difference)
                {
                    verdict.explained += 1;
                } else {
                    found(difference);
                }
            }
        }
        // A run that did not get to its end is never fine, even if both stopped.
        if kafka.stopped.is_some() || zurau.stopped.is_some() {
            let difference = whole("(stopped)", &ending(kafka), &ending(zurau));
            let api = "the run".to_owned();
            verdict.findings.push((0, Finding { api, difference }));
        }
        verdict
    }
}

fn ending(transcript: &Transcript) -> String {
    let stopped = transcript.stopped.as_deref().unwrap_or("to the end");
    format!("{stopped}, {} answers", transcript.exchanges.len())
}

fn whole(field: &str, kafka: &dyn ToString, zurau: &dyn ToString) -> Difference {
    Difference {
        field: field.to_owned(),
        kafka: kafka.to_string(),
        zurau: zurau.to_string(),
    }
}
