//! What came of tests, as the XML that CI systems read: a suite each file, a case each test.

use crate::cli::style::Style;
use crate::cli::test::{Came, Told, show};
use std::fmt::Write as _;

/// The whole document.
pub(super) fn xml(told: &Told) -> String {
    let mut suites = String::new();
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for done in &told.done {
        let suite = &done.suite;
        let mut inside = String::new();
        let (mut failed, mut refused) = (0, 0);
        if let Some(why) = &suite.refused {
            refused += 1;
            case(
                &mut inside,
                &suite.shown,
                "the file",
                Some(("error", "the file is refused", why)),
            );
        }
        for (one, came) in suite.cases.iter().zip(&done.came) {
            let name = &one.test.name.value;
            match came {
                Came::Refused(why) => {
                    refused += 1;
                    case(
                        &mut inside,
                        &suite.shown,
                        name,
                        Some(("error", "the test is refused", why)),
                    );
                }
                Came::Ran { .. } if came.passed() => case(&mut inside, &suite.shown, name, None),
                Came::Ran { .. } => {
                    failed += 1;
                    let lines = show::failed(suite, one, came, Style::DOCUMENT);
                    let message = lines.first().map_or("", |line| line.trim());
                    let fault = ("failure", message, lines.join("\n"));
                    case(
                        &mut inside,
                        &suite.shown,
                        name,
                        Some((fault.0, fault.1, &fault.2)),
                    );
                }
            }
        }
        let count = suite.cases.len() + usize::from(suite.refused.is_some());
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{failed}\" \
             errors=\"{refused}\">\n{inside}  </testsuite>",
            escaped(&suite.shown)
        );
        tests += count;
        failures += failed;
        errors += refused;
    }
    if !told.untested.is_empty() {
        let mut inside = String::new();
        for path in &told.untested {
            let why = "the template has no test";
            case(
                &mut inside,
                "templates",
                &path.display().to_string(),
                Some(("failure", why, why)),
            );
        }
        let count = told.untested.len();
        tests += count;
        failures += count;
        let _ = writeln!(
            suites,
            "  <testsuite name=\"templates\" tests=\"{count}\" failures=\"{count}\" \
             errors=\"0\">\n{inside}  </testsuite>"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"haldane test\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\">\n{suites}</testsuites>\n"
    )
}

fn case(out: &mut String, class: &str, name: &str, fault: Option<(&str, &str, &str)>) {
    let (class, name) = (escaped(class), escaped(name));
    let _ = match fault {
        None => writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\"/>"),
        Some((element, message, text)) => writeln!(
            out,
            "    <testcase classname=\"{class}\" name=\"{name}\">\n      \
             <{element} message=\"{}\">{}</{element}>\n    </testcase>",
            escaped(message),
            escaped(text)
        ),
    };
}

/// Text that stands in XML as it is; XML 1.0 has no place for most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
