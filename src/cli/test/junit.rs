//! What came of tests, as the XML that CI systems read: a suite each file, a case each test.

use crate::chart::escaped;
use crate::cli::style::Style;
use crate::cli::test::{Came, Done, Told, show};
use std::fmt::Write as _;

/// How many cases there are, and how many of them are not as they should be.
#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
}

/// The whole document.
pub(super) fn xml(told: &Told) -> String {
    let mut suites = String::new();
    let mut all = Counts::default();
    let done = told.done.iter().map(suite);
    for (name, counts, inside) in done.chain(untested(told)) {
        let Counts {
            tests,
            failures,
            errors,
        } = counts;
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" \
             errors=\"{errors}\">\n{inside}  </testsuite>",
            escaped(&name)
        );
        all.tests += tests;
        all.failures += failures;
        all.errors += errors;
    }
    let Counts {
        tests,
        failures,
        errors,
    } = all;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"haldane test\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\">\n{suites}</testsuites>\n"
    )
}

/// One file: its name, its counts, its cases.
fn suite(done: &Done) -> (String, Counts, String) {
    let suite = &done.suite;
    let mut inside = String::new();
    let mut counts = Counts::default();
    if let Some(why) = &suite.refused {
        counts.tests += 1;
        counts.errors += 1;
        let fault = ("error", "the file is refused", why.as_str());
        case(&mut inside, &suite.shown, "the file", Some(fault));
    }
    for (one, came) in suite.cases.iter().zip(&done.came) {
        let name = &one.test.name.value;
        counts.tests += 1;
        match came {
            Came::Refused(why) => {
                counts.errors += 1;
                let fault = ("error", "the test is refused", why.as_str());
                case(&mut inside, &suite.shown, name, Some(fault));
            }
            Came::Ran { passed: true, .. } => case(&mut inside, &suite.shown, name, None),
            Came::Ran { .. } => {
                counts.failures += 1;
                let lines = show::failed(suite, one, came, Style::DOCUMENT);
                let message = lines.first().map_or("", |line| line.trim());
                let text = lines.join("\n");
                case(
                    &mut inside,
                    &suite.shown,
                    name,
                    Some(("failure", message, &text)),
                );
            }
        }
    }
    (suite.shown.clone(), counts, inside)
}

/// Templates without a test, as a suite of their own.
fn untested(told: &Told) -> Option<(String, Counts, String)> {
    let tests = told.untested.len();
    let mut inside = String::new();
    for path in &told.untested {
        let why = "the template has no test";
        let name = path.display().to_string();
        case(&mut inside, "templates", &name, Some(("failure", why, why)));
    }
    let counts = Counts {
        tests,
        failures: tests,
        errors: 0,
    };
    (tests > 0).then(|| ("templates".to_owned(), counts, inside))
}

/// One case as an element, with what is wrong with it.
pub(crate) fn case(out: &mut String, class: &str, name: &str, fault: Option<(&str, &str, &str)>) {
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
