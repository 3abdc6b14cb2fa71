//! `haldane lint --prometheus`: what only a server can tell of a template. Every query is asked for
//! both arms over the last `deadline`, as if a rollout had just ended, or one that ended at
//! `--end`, and judged.

use crate::cli::asked_source;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::judge::{arm_scope, baseline_scope, bound, inputs, instant};
use crate::cli::lint::LintArgs;
use crate::cli::lint::answers::{self, Asked, Text};
use crate::diagnostic::Diagnostic;
use crate::engine::asks::Reach;
use crate::engine::effect::first_from;
use crate::judge::windows::Batch;
use crate::plan::Plan;
use crate::plan::rollout::{Deploy, Rollout};
use crate::serve::clock::Clock;
use crate::serve::one_shot;
use crate::serve::source::Source;
use crate::template::Template;
use crate::template::lint::{kept, with_changes};
use crate::time::{Span, Timestamp};
use std::sync::Arc;

/// A server to ask.
pub(super) struct Live {
    source: Source,
    /// What is asked for ends no later.
    end: Timestamp,
    now: Timestamp,
}

impl Live {
    /// The server that the flags name; nothing if they name none.
    pub(super) fn from_flags(args: &LintArgs) -> Result<Option<Self>, Fault> {
        let Some(url) = &args.prometheus else {
            return Ok(None);
        };
        let now = Clock::system().now();
        let end = instant("end", &args.end, now)?;
        if end > now {
            let message =
                format!("--end {end} has not come yet, and nothing is there to be asked for");
            return Err((Exit::Usage, message));
        }
        let source = asked_source::open(Some(url), args.config.as_deref())?;
        Ok(Some(Self { source, end, now }))
    }

    /// What the server tells of a template, and of what each rule of `changes` makes of it.
    pub(super) async fn lint(
        &self,
        template: &Template,
        text: &str,
        args: &LintArgs,
    ) -> Result<Vec<Diagnostic>, Fault> {
        let usual = self.plan(template, args, None)?;
        let mut found = self
            .told(template, &usual, Text { text, change: None })
            .await?;
        let mut changes = Vec::new();
        for rule in &template.changes {
            let change = rule.change.as_str();
            let plan = self.plan(template, args, Some(change))?;
            let asks_the_same = plan.metrics == usual.metrics
                && plan.timing == usual.timing
                && plan.judge == usual.judge
                && plan.history == usual.history;
            if !asks_the_same {
                let change = Some(change);
                let told = self.told(&rule.template, &plan, Text { text, change });
                changes.push((rule.change.as_str(), told.await?));
            }
        }
        with_changes(&mut found, changes);
        kept(&mut found, text);
        Ok(found)
    }

    /// What the server tells of one plan.
    async fn told(
        &self,
        template: &Template,
        plan: &Plan,
        text: Text<'_>,
    ) -> Result<Vec<Diagnostic>, Fault> {
        let (from, to) = (first_from(plan), plan.timing.deadline);
        let reach = Reach {
            from,
            to,
            first: true,
            settled: true,
        };
        let each = self.source.each(plan, reach).await;
        let mut found = Vec::new();
        let mut asked = Vec::new();
        for (slot, answer) in each {
            match answer {
                Ok(answer) => asked.push((slot, answer)),
                Err(fault) if fault.transient => return Err((Exit::Unavailable, fault.message)),
                Err(fault) => found.push(answers::refused(slot, &fault.message, text)),
            }
        }
        let whole = found.is_empty();
        for (slot, answer) in &asked {
            let asked = Asked {
                template,
                plan,
                slot: *slot,
                answer,
                text,
                past: self.end < self.now,
            };
            found.extend(asked.wrong());
        }
        if whole {
            let batch = Batch {
                from,
                to,
                answers: asked,
            };
            let shot = one_shot::judge_batch(Arc::new(plan.clone()), &batch)
                .map_err(|message| (Exit::Internal, format!("{message}; this is a bug")))?;
            found.extend(answers::too_weak(template, plan, &shot.judgement, text));
        }
        Ok(found)
    }

    /// The template bound to a rollout of this type that began its `deadline` before the end.
    fn plan(
        &self,
        template: &Template,
        args: &LintArgs,
        change: Option<&str>,
    ) -> Result<Plan, Fault> {
        let schedule = &template.for_change(change).schedule;
        if args.canary.is_none() {
            let message = "--prometheus asks about both arms: give --canary, and --baseline unless \
                           the template's baseline is of another time";
            return Err((Exit::Usage, message.to_owned()));
        }
        let inputs = inputs(&args.inputs)?;
        // Long enough before now for the data of every metric to be there.
        let metrics = template.for_change(change).metrics.iter();
        let late = metrics.filter_map(|metric| metric.lag);
        let late = late.fold(schedule.lag, Span::max);
        let start = self.end.min(self.now.minus(late)).minus(schedule.deadline);
        let rollout = Rollout {
            deploy: Deploy {
                service: inputs.get("service").cloned().unwrap_or_default(),
                change_type: change.map(str::to_owned),
                ..Deploy::default()
            },
            inputs,
            baseline: baseline_scope(
                template.for_change(change),
                args.baseline.as_deref(),
                args.canary.as_deref(),
            )?,
            canary: arm_scope("canary", args.canary.as_deref())?,
            start: start.align_down(schedule.step),
            duration: None,
        };
        bound(template, rollout, schedule.deadline)
    }
}
