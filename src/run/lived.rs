//! Holds what was found against what stood before and against the register of exceptions.

use super::compare::Sought;
use super::memory::Memory;
use super::{Ending, Judged, Run};
use crate::exceptions::{self, Exception, Use};
use crate::lifecycle::{self, Lived, Now, Past};
use crate::model::{Finding, Inventory, Outcome, Rule, SourceName, SourceStatus, Verdict, instant_text};
use crate::rules::Judgement;
use crate::snapshot::Published;

impl Run<'_> {
    /// The judgement of a run without memory becomes that of one with it.
    pub(super) fn live(
        &self,
        inventory: Inventory,
        judgement: Judgement,
        sought: Sought,
        base: Option<&Published>,
        memory: Memory,
        ending: &mut Ending,
    ) -> Judged {
        let config = self.order.config;
        let Memory { past, clocks, warnings, .. } = memory;
        let Sought { since, heard, warnings: of_comparing } = sought;
        let Judgement { findings, verdicts, gaps } = judgement;
        let configured: Vec<&SourceName> = config.sources.iter().map(|source| &source.identity.name).collect();
        let now = Now {
            inventory: &inventory,
            verdicts: &verdicts,
            gaps: &gaps,
            base: base.map_or(&[][..], |base| &base.manifest.sources),
            configured: &configured,
            omitted: !self.order.omitted().is_empty(),
            is_backwards: past.is_after(self.as_of),
        };
        let entries = config.exceptions.as_ref().map_or(&[][..], |file| &file.entries);
        let (lived, mut uses) = self.lived(findings, &past, &now, entries);
        let came = |name: &SourceName| {
            let mut rolls = inventory.rolls.iter().map(|roll| &roll.harvest);
            rolls.any(|harvest| harvest.source.name == *name && harvest.status() != SourceStatus::Failed)
        };
        for it in &mut uses {
            it.was_read = configured.iter().filter(|name| it.exception.is_of(name)).all(|name| came(name));
        }
        let Lived { findings, set_aside } = lived;
        if let Some(newest) = past.as_of.filter(|_| past.is_after(self.as_of)) {
            let (as_of, newest) = (instant_text(self.as_of), instant_text(newest));
            self.note(
                ending,
                format!(
                    "as of {as_of}, which is before {newest} of the newest snapshot: no finding counts as over, and no \
                     clock of an account is set"
                ),
            );
        }
        let set_aside = set_aside.into_iter().map(|(why, count)| format!("{count} findings are told no longer: {why}"));
        let of_exceptions = uses.iter().flat_map(|it| it.warnings(self.as_of));
        for text in of_comparing.into_iter().chain(warnings).chain(set_aside).chain(of_exceptions) {
            self.note(ending, text);
        }
        let verdicts = with_exceptions(verdicts, entries);
        Judged { inventory, findings, past, clocks, heard, uses, verdicts, since }
    }

    /// What exceptions cover is known only when it is known what stands, and only then which of them are over.
    fn lived(&self, found: Vec<Finding>, past: &Past, now: &Now<'_>, entries: &[Exception]) -> (Lived, Vec<Use>) {
        let of_rules = |rule| rule != Rule::ExceptionExpired;
        let mut lived = lifecycle::live(found, past, of_rules, |earlier| now.sight(earlier));
        let applied = exceptions::apply(&mut lived.findings, entries, &self.order.config.policy, self.as_of);
        let over = lifecycle::live(applied.expired, past, |rule| !of_rules(rule), |earlier| now.sight(earlier));
        lived.findings.extend(over.findings);
        lifecycle::sort(&mut lived.findings);
        for (why, count) in over.set_aside {
            *lived.set_aside.entry(why).or_insert(0) += count;
        }
        (lived, applied.uses)
    }
}

/// The rule about exceptions runs over those of the source.
fn with_exceptions(mut verdicts: Vec<Verdict>, entries: &[Exception]) -> Vec<Verdict> {
    for verdict in verdicts.iter_mut().filter(|verdict| verdict.rule == Rule::ExceptionExpired) {
        if let Outcome::Judged { subjects, .. } = &mut verdict.outcome {
            *subjects = entries.iter().filter(|entry| entry.is_of(&verdict.source)).count() as u64;
        }
    }
    verdicts
}
