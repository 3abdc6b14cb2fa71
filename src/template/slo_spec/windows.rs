//! Sloth's `AlertWindows`: the policy of multi-window rungs for a period. A page rolls back, a
//! ticket holds; the burn rate of a row is percent × period / (100 × long window).

use super::promise::{Reading, deep};
use crate::slo::burn_rate::threshold;
use crate::slo::objective::{Rung, RungAction};
use crate::template::document::{Node, Value};
use crate::template::extends::text_of;
use crate::time::Span;
use crate::units::BurnRate;

/// A policy with the period it is for.
pub(super) struct AlertWindows {
    /// Where it says so.
    pub(super) period: Node,
    /// Most urgent first.
    pub(super) rungs: Vec<Rung>,
}

/// Whether a document is one.
pub(super) fn is_one(root: &Node) -> bool {
    deep(root, &["kind"]).and_then(text_of) == Some("AlertWindows")
}

pub(super) fn read(reading: &mut Reading<'_>, root: &Node) -> Option<AlertWindows> {
    let node = reading.needs(root, &["spec", "sloPeriod"])?;
    let period = reading.span(node)?;
    let mut rungs = Vec::new();
    for (alert, action) in [("page", RungAction::Rollback), ("ticket", RungAction::Hold)] {
        for speed in ["quick", "slow"] {
            let row = reading.needs(root, &["spec", alert, speed])?;
            rungs.push(rung(reading, row, period, action)?);
        }
    }
    Some(AlertWindows {
        period: node.clone(),
        rungs,
    })
}

fn rung(reading: &mut Reading<'_>, row: &Node, period: Span, action: RungAction) -> Option<Rung> {
    let percent = reading.needs(row, &["errorBudgetPercent"])?;
    let long = reading.needs(row, &["longWindow"])?;
    let long = reading.span(long)?;
    let short = reading.needs(row, &["shortWindow"])?;
    let short = reading.span(short)?;
    let share = match percent.value {
        Value::Number(value) if value > 0.0 && value <= 100.0 => Some(value / 100.0),
        _ => None,
    };
    let burn = share.and_then(|share| threshold(share, long, period));
    let burn = burn.and_then(BurnRate::new);
    if burn.is_none() {
        let message = "`errorBudgetPercent` is no percentage above 0, up to 100".to_owned();
        reading.fails(percent.place, message, "such as 2 for 2 % of the budget");
    }
    Some(Rung {
        burn: burn?,
        long,
        short,
        action,
    })
}
