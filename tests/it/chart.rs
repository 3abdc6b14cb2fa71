//! Charts: well-formed whatever they show, every place inside the picture, nothing that is no
//! number, no id twice, nothing of a stranger's text as mark-up.

use haldane::chart::{
    Cell, Figure, HEIGHT, Ink, Interval, Layer, Looks, Point, Range, WIDTH, draw, interval, looks,
};
use haldane::time::{Span, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const START: Timestamp = Timestamp::from_s(1_795_262_400);

/// Parses a document and checks what holds for all: unique ids, references that lead somewhere,
/// no number that is none, nothing from elsewhere.
pub(crate) fn check_document(text: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let mut ids = BTreeSet::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id.to_owned()), "id {id} is there twice");
        }
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on"), "an event handler: {name}={value}");
            assert_ne!(name, "style", "the policy of a page forbids it");
            assert!(!["src", "srcset"].contains(&name), "{name}={value}");
            if name == "href" {
                assert!(value.starts_with('#'), "a link to elsewhere: {value}");
            }
            if ["d", "x", "y", "cx", "cy", "width", "height", "viewBox"].contains(&name) {
                for bad in ["NaN", "inf", "e"] {
                    assert!(!value.contains(bad), "{name}={value}");
                }
            }
        }
        let name = node.tag_name().name();
        assert!(!["script", "link", "img", "iframe", "image", "use"].contains(&name));
    }
    for node in document.descendants() {
        for names in [node.attribute("aria-labelledby"), node.attribute("href")] {
            for id in names.into_iter().flat_map(str::split_whitespace) {
                assert!(
                    ids.contains(id.trim_start_matches('#')),
                    "{id} leads nowhere"
                );
            }
        }
    }
    for text in document.descendants().filter_map(|node| node.text()) {
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            assert!(!["NaN", "inf", "Infinity"].contains(&word), "{text}");
        }
    }
    ids.into_iter().collect()
}

/// All places in a path: every letter we write is followed by its numbers.
fn places(path: &str) -> Vec<(f64, f64)> {
    let mut out = Vec::new();
    let (mut x, mut y) = (0.0, 0.0);
    let commands = path.split_inclusive(|c: char| c.is_ascii_alphabetic());
    let mut letter = ' ';
    for piece in commands {
        let (numbers, next) = match piece.char_indices().next_back() {
            Some((at, c)) if c.is_ascii_alphabetic() => (&piece[..at], c),
            _ => (piece, ' '),
        };
        let numbers: Vec<f64> = numbers
            .split_whitespace()
            .map(|number| {
                number
                    .parse()
                    .unwrap_or_else(|_| panic!("{path}: {number}"))
            })
            .collect();
        match (letter, numbers.as_slice()) {
            ('M' | 'L', [a, b]) => (x, y) = (*a, *b),
            ('H', [a]) => x = *a,
            ('V', [b]) => y = *b,
            ('h', [a]) => x += a,
            ('v', [b]) => y += b,
            ('l', [a, b]) => (x, y) = (x + a, y + b),
            (' ' | 'Z', []) => {}
            other => panic!("{path}: {other:?}"),
        }
        out.push((x, y));
        letter = next;
    }
    out
}

fn check_inside(text: &str, (width, height): (f64, f64)) {
    let document = roxmltree::Document::parse(text).unwrap();
    let inside = |x: f64, y: f64, what: &str| {
        assert!(
            (-0.01..=width + 0.01).contains(&x) && (-0.01..=height + 0.01).contains(&y),
            "({x}, {y}) is outside: {what}"
        );
    };
    for node in document.descendants() {
        let number = |name: &str| {
            node.attribute(name)
                .map(|text| text.parse::<f64>().unwrap())
        };
        if let Some(path) = node.attribute("d") {
            for (x, y) in places(path) {
                inside(x, y, path);
            }
        }
        if let (Some(x), Some(y)) = (number("x"), number("y")) {
            inside(x, y, node.tag_name().name());
            let wide = number("width").unwrap_or(0.0);
            let high = number("height").unwrap_or(0.0);
            inside(x + wide, y + high, "a rectangle's end");
        }
    }
}

fn at(idx: usize) -> Timestamp {
    START.plus(Span::from_s(30 * i64::try_from(idx).unwrap()))
}

fn figure(values: &[Option<f64>], ranges: &[(f64, f64)], limit: f64) -> Figure {
    let points = values.iter().enumerate().map(|(idx, value)| Point {
        at: at(idx),
        value: *value,
    });
    let ranges = ranges.iter().enumerate().map(|(idx, (low, high))| {
        Some(Range {
            at: at(idx),
            low: *low,
            high: *high,
        })
    });
    Figure {
        id: "f".to_owned(),
        title: "latency <p99> & \"more\"".to_owned(),
        description: "a sentence".to_owned(),
        from: at(0),
        to: at(values.len().max(ranges.len()).saturating_sub(1)),
        suffix: " %".to_owned(),
        least: 0.0,
        from_zero: false,
        layers: vec![
            Layer::Shade {
                from: at(0),
                to: at(2),
                name: "not judged".to_owned(),
            },
            Layer::Band {
                ink: Ink::Canary,
                name: "interval".to_owned(),
                ranges: ranges.collect(),
            },
            Layer::Zero,
            Layer::Line {
                ink: Ink::Baseline,
                name: "baseline".to_owned(),
                points: points.collect(),
            },
            Layer::Limit {
                value: limit,
                name: "limit".to_owned(),
            },
        ],
        empty: "nothing".to_owned(),
    }
}

fn check_figure(figure: &Figure) -> String {
    let text = draw(figure);
    let ids = check_document(&text);
    assert_eq!(ids, ["f-d", "f-t"]);
    check_inside(&text, (WIDTH, HEIGHT));
    text
}

fn any_value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        6 => (-1e3..1e3).prop_map(Some),
        1 => Just(None),
        1 => any::<f64>().prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn whatever_is_drawn_is_inside(
        values in prop::collection::vec(any_value(), 0..400),
        ranges in prop::collection::vec((any::<f64>(), any::<f64>()), 0..30),
        limit in any::<f64>(),
        from_zero in any::<bool>(),
        least in prop_oneof![Just(0.0), 0.0..1e6],
    ) {
        check_figure(&Figure { from_zero, least, ..figure(&values, &ranges, limit) });
    }

    #[test]
    fn every_strip_is_inside(
        value in prop::option::of(any::<f64>()),
        low in prop::option::of(any::<f64>()),
        high in prop::option::of(any::<f64>()),
        limits in prop::collection::vec(any::<f64>(), 0..3),
    ) {
        let text = interval(&Interval {
            id: "s".to_owned(),
            description: "a sentence".to_owned(),
            value, low, high, limits,
            label: "worse",
        });
        check_document(&text);
        check_inside(&text, (150.0, 22.0));
    }

    #[test]
    fn every_row_of_looks_is_inside(
        cells in prop::collection::vec((-5_i64..900, 0_usize..5), 0..800),
        length in 0_i64..900,
    ) {
        let instant = |step: i64| START.plus(Span::from_s(60 * step));
        let words = ["pass", "fail", "marginal", "no_data", "fault"];
        let text = looks(&Looks {
            id: "l".to_owned(),
            description: "a sentence".to_owned(),
            from: START,
            to: instant(length),
            judged_from: instant(3),
            bake_until: instant(10),
            cells: cells.iter().map(|(step, word)| Cell {
                at: instant(*step),
                outcome: words[*word],
            }).collect(),
        });
        check_document(&text);
        check_inside(&text, (360.0, 58.0));
    }
}

#[test]
fn a_day_is_small_and_keeps_its_extremes() {
    let mut values: Vec<Option<f64>> = (0_u32..1440).map(|i| Some(f64::from(i % 7))).collect();
    values[500] = Some(100.0);
    let text = check_figure(&figure(&values, &[], 10.0));
    assert!(text.len() < 12_000, "{} bytes", text.len());
    let document = roxmltree::Document::parse(&text).unwrap();
    let area = document
        .descendants()
        .find(|node| node.attribute("class") == Some("area base"))
        .and_then(|node| node.attribute("d"))
        .unwrap();
    let top = places(area)
        .into_iter()
        .skip(1)
        .fold(f64::INFINITY, |top, (_, y)| top.min(y));
    // The axis ends a little above the greatest value, which is 100 of a range of 100.
    assert!(top < 60.0, "the spike is lost, the highest place is {top}");
}

#[test]
fn nothing_is_said_to_be_nothing() {
    for values in [
        vec![],
        vec![None; 5],
        vec![Some(f64::NAN), Some(f64::INFINITY)],
    ] {
        let text = check_figure(&figure(&values, &[], f64::NAN));
        assert!(text.contains(">nothing</text>"), "{text}");
        // The only line is the piece of it in the key.
        assert_eq!(text.matches("class=\"line base\"").count(), 1, "{text}");
    }
}

#[test]
fn open_intervals_reach_the_edges() {
    let open = (f64::NEG_INFINITY, f64::INFINITY);
    let text = check_figure(&figure(&[Some(1.0); 3], &[open; 3], 10.0));
    assert!(text.contains("area can\" d=\"M"), "{text}");
    assert!(text.contains(" 42L") && text.contains(" 170L"), "{text}");
}

#[test]
fn one_point_is_seen() {
    let text = check_figure(&figure(&[Some(5.0)], &[(4.0, 6.0)], 10.0));
    assert!(text.contains("line dot base"), "{text}");
    assert!(text.contains("<path class=\"line can\" d=\"M"), "{text}");
}
