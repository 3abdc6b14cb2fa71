//! A [`Figure`] as SVG: title, keys, axes, layers.

use crate::chart::clock::Clock;
use crate::chart::ink::{escaped, place};
use crate::chart::path::{self, Drawn};
use crate::chart::scale::Scale;
use crate::chart::{Figure, Ink, Layer, Range};
use std::fmt::Write as _;

/// Units a chart is wide: about a phone, so that its letters are as large as they say.
pub const WIDTH: f64 = 360.0;

/// Units a chart is high.
pub const HEIGHT: f64 = 196.0;

const TOP: f64 = 42.0;
const BOTTOM: f64 = 170.0;
const RIGHT: f64 = WIDTH - 8.0;

/// Units a letter of 11 units takes at most, of letters that are mostly digits.
const LETTER: f64 = 7.0;

/// How far beyond what must be seen an interval may stretch the axis, as a multiple of its
/// length: the first looks know almost nothing, and their intervals would flatten the rest.
const STRETCH: f64 = 0.75;

/// A chart on its own, as wide as the place it is put in.
pub fn draw(figure: &Figure) -> String {
    let view = format!("0 0 {} {}", place(WIDTH), place(HEIGHT));
    svg(figure, &format!("viewBox=\"{view}\""))
}

/// A chart at a place inside another SVG.
pub fn nested(figure: &Figure, x: f64, y: f64) -> String {
    let (width, height) = (place(WIDTH), place(HEIGHT));
    let at = format!(
        "x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"",
        place(x),
        place(y)
    );
    svg(figure, &at)
}

fn svg(figure: &Figure, place_of_it: &str) -> String {
    let id = escaped(&figure.id);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" {place_of_it} role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title>\
         <desc id=\"{id}-d\">{}</desc>\n<text class=\"head\" x=\"0\" y=\"13\">{}</text>\n",
        escaped(&figure.title),
        escaped(&figure.description),
        escaped(&cut(&figure.title))
    );
    keys(figure, &mut out);
    plot(figure, &mut out);
    out.push_str("</svg>");
    out
}

/// A title that fits; the whole one is in `<title>`.
fn cut(title: &str) -> String {
    /// Letters of 12 units across the whole width.
    const LETTERS: usize = 52;
    if title.chars().count() <= LETTERS {
        return title.to_owned();
    }
    let kept: String = title.chars().take(LETTERS - 1).collect();
    format!("{}…", kept.trim_end())
}

/// What the lines and areas are, each with a piece of itself. They move together when a wide font
/// would push the last one off the edge.
fn keys(figure: &Figure, out: &mut String) {
    /// A piece of a line or an area, and what stands between it and its name.
    const SAMPLE: (f64, f64) = (15.0, 4.0);
    /// Units a letter of a name takes at most, on the average of a name: those of DejaVu Sans.
    const NAME_LETTER: f64 = 6.4;
    let names = figure.layers.iter().filter_map(name_of);
    let (count, letters) = names.fold((0.0, 0), |(count, letters), name| {
        (count + 1.0, letters + name.chars().count())
    });
    let taken = count * (SAMPLE.0 + SAMPLE.1) + NAME_LETTER * letters as f64;
    let between = ((WIDTH - taken) / f64::max(count - 1.0, 1.0)).clamp(2.0, 14.0);
    let mut x = 0.0;
    for layer in &figure.layers {
        let Some(name) = name_of(layer) else {
            continue;
        };
        let sample = match layer {
            Layer::Line { ink, .. } => format!(
                "<path class=\"line {}\" d=\"M{} 26h{}\"/>",
                ink.class(),
                place(x),
                place(SAMPLE.0)
            ),
            Layer::Band { ink, .. } => {
                let class = format!("area {}", ink.class());
                rect(x, 21.0, SAMPLE.0, 9.0, &class)
            }
            _ => rect(x, 21.0, SAMPLE.0, 9.0, "shade"),
        };
        let _ = write!(
            out,
            "{sample}<text x=\"{}\" y=\"30\">{}</text>",
            place(x + SAMPLE.0 + SAMPLE.1),
            escaped(name)
        );
        x += SAMPLE.0 + SAMPLE.1 + NAME_LETTER * name.chars().count() as f64 + between;
    }
    out.push('\n');
}

/// The name of what has one.
fn name_of(layer: &Layer) -> Option<&str> {
    let name = match layer {
        Layer::Line { name, .. } | Layer::Band { name, .. } | Layer::Shade { name, .. } => name,
        Layer::Limit { .. } | Layer::Zero => return None,
    };
    (!name.is_empty()).then_some(name.as_str())
}

fn rect(x: f64, y: f64, width: f64, height: f64, class: &str) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
        place(x),
        place(y),
        place(width),
        place(height)
    )
}

fn horizontal(y: f64, left: f64, class: &str) -> String {
    format!(
        "<path class=\"{class}\" d=\"M{} {}H{}\"/>",
        place(left),
        place(y),
        place(RIGHT)
    )
}

fn plot(figure: &Figure, out: &mut String) {
    let domain = domain(figure);
    let scale = Scale::new(domain.unwrap_or((0.0, 1.0)), (BOTTOM, TOP));
    let ticks = if domain.is_some() {
        scale.ticks(4.0)
    } else {
        Vec::new()
    };
    let named = |(value, label): (f64, String)| (value, format!("{label}{}", figure.suffix));
    let ticks: Vec<(f64, String)> = ticks.into_iter().map(named).collect();
    let longest = ticks.iter().map(|(_, label)| label.chars().count());
    let left = 8.0 + LETTER * longest.max().unwrap_or(0) as f64;
    let clock = Clock::new(figure.from, figure.to, (left, RIGHT));
    for layer in &figure.layers {
        if let Layer::Shade { from, to, .. } = layer {
            let (a, b) = (clock.at(*from), clock.at(*to));
            if b > a {
                out.push_str(&rect(a, TOP, b - a, BOTTOM - TOP, "shade"));
            }
        }
    }
    for (value, label) in &ticks {
        let y = scale.at(*value);
        let _ = write!(
            out,
            "{}<text class=\"end\" x=\"{}\" y=\"{}\">{}</text>",
            horizontal(y, left, "grid"),
            place(left - 6.0),
            place(y + 4.0),
            escaped(label)
        );
    }
    out.push('\n');
    time_axis(&clock, left, out);
    if domain.is_none() {
        let _ = write!(
            out,
            "<text class=\"mid\" x=\"{}\" y=\"{}\">{}</text>",
            place(f64::midpoint(left, RIGHT)),
            place(f64::midpoint(TOP, BOTTOM)),
            escaped(&figure.empty)
        );
        return;
    }
    layers(figure, &clock, &scale, left, out);
}

fn time_axis(clock: &Clock, left: f64, out: &mut String) {
    let _ = write!(out, "{}", horizontal(BOTTOM, left, "axis"));
    for (x, label) in clock.ticks(5) {
        // Half a label must fit on either side.
        let half = 0.5 * LETTER * label.chars().count() as f64;
        let anchor = x.clamp(half, WIDTH - half);
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{} {}v4\"/><text class=\"mid\" x=\"{}\" y=\"{}\">{}</text>",
            place(x),
            place(BOTTOM),
            place(anchor),
            place(BOTTOM + 16.0),
            escaped(&label)
        );
    }
    out.push('\n');
}

fn layers(figure: &Figure, clock: &Clock, scale: &Scale, left: f64, out: &mut String) {
    for layer in &figure.layers {
        match layer {
            Layer::Band { ink, ranges, .. } => band(*ink, ranges, clock, scale, out),
            Layer::Line { ink, points, .. } => {
                stroke(*ink, &path::line(points, clock, scale), out);
            }
            Layer::Zero if scale.holds(0.0) => {
                out.push_str(&horizontal(scale.at(0.0), left, "zero"));
            }
            Layer::Limit { .. } | Layer::Zero | Layer::Shade { .. } => {}
        }
    }
    // Last, so that nothing covers what the lines are compared with.
    let mut taken: Option<f64> = None;
    for layer in &figure.layers {
        let Layer::Limit { value, name } = layer else {
            continue;
        };
        if !scale.holds(*value) {
            continue;
        }
        let y = scale.at(*value);
        out.push_str(&horizontal(y, left, "limit"));
        let above = y - 4.0;
        let text_at = if above < TOP + 8.0 { y + 12.0 } else { above };
        if taken.is_none_or(|other: f64| (other - text_at).abs() >= 12.0) {
            let _ = write!(
                out,
                "<text class=\"limit-name\" x=\"{}\" y=\"{}\">{}</text>",
                place(left + 5.0),
                place(text_at),
                escaped(name)
            );
            taken = Some(text_at);
        }
    }
    out.push('\n');
}

fn stroke(ink: Ink, drawn: &Drawn, out: &mut String) {
    let class = ink.class();
    for (path, kind) in [
        (&drawn.area, "area"),
        (&drawn.line, "line"),
        (&drawn.dots, "line dot"),
    ] {
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"{kind} {class}\" d=\"{path}\"/>");
        }
    }
}

/// A range per instant as an area; a single one as a bar, because an area of no width is nothing.
fn band(ink: Ink, ranges: &[Option<Range>], clock: &Clock, scale: &Scale, out: &mut String) {
    let mut area = String::new();
    let class = ink.class();
    let known = |range: &Option<Range>| range.filter(|r| !r.low.is_nan() && !r.high.is_nan());
    for run in ranges.split(|range| known(range).is_none()) {
        let edges: Vec<(f64, f64, f64)> = run
            .iter()
            .filter_map(known)
            .map(|r| (clock.at(r.at), scale.at(r.high), scale.at(r.low)))
            .collect();
        match edges.as_slice() {
            [(x, high, low)] => {
                let _ = write!(
                    out,
                    "<path class=\"line {class}\" d=\"M{} {}V{}M{} {}h10M{} {}h10\"/>",
                    place(*x),
                    place(*high),
                    place(*low),
                    place(x - 5.0),
                    place(*high),
                    place(x - 5.0),
                    place(*low)
                );
            }
            edges => path::area(&thinned(edges), &mut area),
        }
    }
    if !area.is_empty() {
        let _ = write!(out, "<path class=\"area {class}\" d=\"{area}\"/>");
    }
}

/// One range per column, the widest of it.
fn thinned(edges: &[(f64, f64, f64)]) -> Vec<(f64, f64, f64)> {
    if edges.len() <= path::POINTS_DRAWN_MAX {
        return edges.to_vec();
    }
    let mut out: Vec<(f64, f64, f64)> = Vec::new();
    for (x, high, low) in edges {
        let x = libm::floor(*x);
        match out.last_mut() {
            Some(last) if last.0 >= x => {
                last.1 = last.1.min(*high);
                last.2 = last.2.max(*low);
            }
            _ => out.push((x, *high, *low)),
        }
    }
    out
}

/// What the axis must show; none when there is no value at all.
fn domain(figure: &Figure) -> Option<(f64, f64)> {
    let mut core: Option<(f64, f64)> = None;
    let add = |core: &mut Option<(f64, f64)>, value: f64| {
        if value.is_finite() {
            let (low, high) = core.unwrap_or((value, value));
            *core = Some((low.min(value), high.max(value)));
        }
    };
    for layer in &figure.layers {
        if let Layer::Line { points, .. } = layer {
            for point in points {
                add(&mut core, point.value.unwrap_or(f64::NAN));
            }
        }
    }
    let bounds = || {
        let bands = figure.layers.iter().filter_map(|layer| match layer {
            Layer::Band { ranges, .. } => Some(ranges.iter().flatten()),
            _ => None,
        });
        bands.flatten().flat_map(|range| [range.low, range.high])
    };
    if core.is_none() {
        bounds().for_each(|bound| add(&mut core, bound));
    }
    let (mut low, mut high) = core?;
    // The first limit is the one that counts; one that is farther away is shown if there is room.
    let mut farthest: Option<f64> = None;
    for layer in &figure.layers {
        let value = match layer {
            Layer::Limit { value, .. } if value.is_finite() => *value,
            Layer::Zero => 0.0,
            _ => continue,
        };
        if matches!(layer, Layer::Limit { .. }) {
            let first = *farthest.get_or_insert(value.abs());
            if value.abs() > first * 1.001 {
                continue;
            }
        }
        (low, high) = (low.min(value), high.max(value));
    }
    let length = (high - low).max(figure.least).max(f64::MIN_POSITIVE);
    let (least, most) = (low - STRETCH * length, high + STRETCH * length);
    for bound in bounds() {
        if bound.is_finite() {
            let bound = bound.clamp(least, most);
            (low, high) = (low.min(bound), high.max(bound));
        }
    }
    let widen = (0.5 * (figure.least - (high - low))).max(0.0);
    let pad = 0.06 * (high - low + 2.0 * widen);
    if figure.from_zero && low >= 0.0 {
        return Some((0.0, high + 2.0 * widen + pad));
    }
    Some((low - widen - pad, high + widen + pad))
}
