//! Steps of traffic as a controller announces them while an analysis is under way.

use crate::engine::Engine;
use crate::engine::effect::Refusal;
use crate::engine::event::Ticket;
use crate::engine::record::Fact;
use crate::ids::AnalysisId;
use crate::plan::rollout::TrafficStep;
use crate::template::steps::StepsBy;
use crate::units::Probability;

/// Steps of traffic of one analysis; a further one is refused. Controllers take five to ten.
pub const STEPS_MAX: usize = 50;

impl Engine {
    /// The canary gets another share of the traffic. The same share again is no new step, so that
    /// a controller may repeat itself.
    pub(in crate::engine) fn on_stepped(
        &mut self,
        ticket: Ticket,
        id: &AnalysisId,
        share: Probability,
    ) {
        let Some(analysis) = self.analyses.get(id) else {
            return self.refuse(ticket, Refusal::Unknown);
        };
        let last = analysis.last_seq;
        if analysis.conclusion.is_some() {
            return self.refuse_after(last, ticket, Refusal::Concluded);
        }
        if let Some(refusal) = self.store_refusal() {
            return self.refuse(ticket, refusal);
        }
        let planned = analysis.plan.planned_step(share.get());
        let share = planned.map_or(share, |step| step.weight);
        let deploy = &analysis.plan.rollout.deploy;
        let newest = deploy.traffic_steps.last().map(|step| step.share);
        if newest.or(analysis.plan.first_share()) == Some(share) {
            return self.accept_after(last, ticket, id, true);
        }
        let full = deploy.traffic_steps.len() >= STEPS_MAX;
        let planned = analysis.plan.steps.as_ref();
        let by_time = planned.is_some_and(|plan| plan.by == StepsBy::Time);
        let message = match &analysis.behind {
            _ if by_time => Some(format!(
                "the steps of analysis {id} go by time, as its template says; leave them to it, or \
                 write `steps_by: announcement`"
            )),
            Some(behind) => Some(format!(
                "analysis {id} waits for analysis {behind}, and its clock has not started"
            )),
            None if full => Some(format!(
                "analysis {id} has {STEPS_MAX} steps, the limit; submit a new one"
            )),
            None => None,
        };
        if let Some(message) = message {
            return self.refuse(ticket, Refusal::NoStep { message });
        }
        let at = self.clock;
        let step = TrafficStep { at, share };
        let shown = self.shows(id);
        self.write(id, Fact::Stepped { step });
        // It is not shown healthy any more, so what held only a healthy one is over.
        self.hold_anew(id, true);
        let seq = self.ledger.last();
        self.stir_peers_if_new(id, shown);
        self.accept_after(seq, ticket, id, false);
    }
}
