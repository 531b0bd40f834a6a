//! What the run says: one line per case, what is wrong below it, the counts at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::execution::Versions;
use crate::judgement::{Finding, Verdict};

/// Longer values are cut in the report.
const LONGEST: usize = 300;

#[derive(Debug, Default)]
struct CaseResult {
    versions: BTreeSet<i16>,
    /// What is wrong, in which steps and in which versions of the case's API.
    findings: BTreeMap<Finding, (BTreeSet<i16>, BTreeSet<i16>)>,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    cases: BTreeMap<String, CaseResult>,
    covered: BTreeSet<(String, i16)>,
    requests: usize,
    /// Problems that belong to no case, each under the name of what counts as one check.
    checks: BTreeMap<String, Vec<String>>,
}

impl Report {
    pub(crate) fn run(&mut self, case: &str, version: i16, verdict: Verdict) {
        let result = self.cases.entry(case.to_owned()).or_default();
        result.versions.insert(version);
        self.requests += verdict.requests;
        self.covered.extend(verdict.covered);
        // The same in several steps or versions is one finding.
        for (step, finding) in verdict.findings {
            let (steps, versions) = result.findings.entry(finding).or_default();
            steps.insert(step);
            versions.insert(version);
        }
    }

    /// Something beside the cases that passes or fails as one.
    pub(crate) fn check(&mut self, name: &str, problems: Vec<String>) {
        self.checks.insert(name.to_owned(), problems);
    }

    /// Versions that are advertised and that no compared request had.
    pub(crate) fn uncovered(&self, advertised: &Versions) -> Vec<String> {
        every_version(advertised)
            .filter(|pair| !self.covered.contains(pair))
            .map(|(api, version)| format!("{api} version {version} is in no case"))
            .collect()
    }

    /// Prints everything and says whether all is well.
    pub(crate) fn print(&self, advertised: &Versions, chosen: usize, took: Duration) -> bool {
        let mut unexplained = 0;
        let mut failed = 0;
        for (name, result) in &self.cases {
            let versions = listed(&result.versions);
            if result.findings.is_empty() {
                println!("pass  {name} ({versions})");
                continue;
            }
            failed += 1;
            unexplained += result.findings.len();
            println!("FAIL  {name} ({versions})");
            for (finding, (steps, versions)) in &result.findings {
                println!(
                    "      {} {} (steps {}, versions {})",
                    finding.api,
                    finding.difference.field,
                    listed(steps),
                    listed(versions)
                );
                println!("          kafka {}", shortened(&finding.difference.kafka));
                println!("          zurau {}", shortened(&finding.difference.zurau));
            }
        }
        for (name, problems) in &self.checks {
            failed += usize::from(!problems.is_empty());
            unexplained += problems.len();
            println!(
                "{}  {name}",
                if problems.is_empty() { "pass" } else { "FAIL" }
            );
            for problem in problems {
                println!("      {problem}");
            }
        }
        println!("{:.1} s beside starting the brokers", took.as_secs_f64());
        let covered = every_version(advertised)
            .filter(|pair| self.covered.contains(pair))
            .count();
        println!(
            "{} cases, {} requests, {covered} versions covered of {} advertised, {chosen} chosen differences, \
             {unexplained} differences unexplained",
            self.cases.len(),
            self.requests,
            every_version(advertised).count(),
        );
        println!(
            "{} passed, {failed} failed",
            self.cases.len() + self.checks.len() - failed
        );
        failed == 0
    }
}

fn every_version(advertised: &Versions) -> impl Iterator<Item = (String, i16)> + '_ {
    advertised.iter().flat_map(|(api, range)| {
        (range.low..=range.high).map(move |version| (api.clone(), version))
    })
}

/// `0-3, 7`.
fn listed(versions: &BTreeSet<i16>) -> String {
    let mut ranges: Vec<(i16, i16)> = Vec::new();
    for version in versions.iter().copied() {
        match ranges.last_mut() {
            Some((_, high)) if *high + 1 == version => *high = version,
            _ => ranges.push((version, version)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(low, high)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        })
        .collect();
    texts.join(", ")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}... ({} characters)", text.chars().count())
}
