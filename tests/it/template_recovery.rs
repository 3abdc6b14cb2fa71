//! `spec.recovery`: what it means, what is refused, and that a plan without it is what it was.

use crate::templates::rollout;
use haldane::engine::glance::Course;
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::template::parse::parse;
use haldane::time::Span;

fn text(step: &str, more: &str) -> String {
    format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: checkout }}\nspec:\n  \
         schedule: {{ step: {step}, deadline: 2h }}\n{more}  metrics:\n    - {{ name: latency, harm: \
         increase, min_effect: {{ relative: 10% }}, min_samples: 5, series: {{ query: \
         'latency{{${{selector}}}}' }} }}\n"
    )
}

fn plan(step: &str, more: &str, change: Option<&str>) -> Plan {
    let (template, said) = parse(&text(step, more));
    let template = template.unwrap_or_else(|| panic!("{said:?}"));
    let mut rollout = rollout();
    rollout.inputs.clear();
    rollout.deploy.change_type = change.map(str::to_owned);
    rollout.duration = None;
    bind(&template, &rollout).unwrap()
}

fn course(step: &str, more: &str) -> (i64, u32, u32) {
    let plan = plan(step, more, None);
    let course = Course::new(&plan, plan.timing.start, Span::from_s(900));
    (course.every.ms() / 1000, course.glances, course.needed)
}

#[test]
fn the_windows_are_as_many_as_the_template_says() {
    let cases = [
        ("30s", "", (60, 15, 2)),
        ("30s", "  recovery: {}\n", (60, 15, 2)),
        ("30s", "  recovery: { within: 30m }\n", (60, 30, 2)),
        ("30s", "  recovery: { for: 5m }\n", (60, 15, 5)),
        ("30s", "  recovery: { for: 20m }\n", (60, 20, 20)),
        ("30s", "  recovery: { within: 1m, for: 30s }\n", (60, 1, 1)),
        // A window of two steps: the usual time makes room for two.
        ("10m", "", (1200, 2, 2)),
    ];
    for (step, more, wanted) in cases {
        assert_eq!(course(step, more), wanted, "{step} {more}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases = [
        (
            "{ within: 3m, for: 5m }",
            "C039",
            "is 5 windows of 1m, 5m in all",
        ),
        ("{ within: 1m }", "C039", "is 2 windows of 1m, 2m in all"),
        ("{ within: 2h }", "C010", "`within` 2h is outside 1s to 1h"),
        ("{ for: 1s }", "C010", "`for` 1s is outside 30s to 1h"),
        ("{ burn_under: 0 }", "", "burn_under"),
        ("{ burn_under: -1 }", "", "burn_under"),
        (
            "{ acknowledge_within: 0s }",
            "C010",
            "`acknowledge_within` 0s",
        ),
        ("{ withn: 3m }", "C003", "did you mean `within`"),
        ("30m", "", "write `{ within: 30m }`"),
    ];
    for (value, code, said) in cases {
        let (template, found) = parse(&text("30s", &format!("  recovery: {value}\n")));
        assert!(template.is_none(), "{value}");
        let all = format!("{found:?}");
        assert!(all.contains(code) && all.contains(said), "{value}: {all}");
    }
}

#[test]
fn it_is_of_the_plan_and_a_plan_without_it_is_what_it_was() {
    let digest = |more: &str| plan("30s", more, None).digest;
    let texts = [
        "",
        "  recovery: { within: 30m }\n",
        "  recovery: { for: 5m }\n",
        "  recovery: { burn_under: 2 }\n",
        "  recovery: { acknowledge_within: 2m }\n",
    ];
    for (idx, one) in texts.iter().enumerate() {
        for other in &texts[..idx] {
            assert_ne!(digest(one), digest(other), "{one} {other}");
        }
    }
    let rule = "  recovery: { for: 5m }\n  changes:\n    database: { recovery: { within: 1h } }\n";
    let recovery = |change| plan("30s", rule, change).recovery.unwrap();
    assert_eq!(recovery(None).within, None);
    let database = recovery(Some("database"));
    assert_eq!(database.within, Some(Span::from_s(3_600)));
    assert_eq!(database.well_for, Some(Span::from_s(300)), "joined");
}
