//! How two templates, or a template and a rule for a type of change, become one: maps field by
//! field, metrics and objectives by name, everything else replaced.

use crate::diagnostic::Place;
use crate::template::document::{Node, Value};
use crate::template::extends::{entry, text_of};
use crate::template::metrics::MEASURES;

/// One field of a map that is being merged.
type Entry = (String, Place, Node);

/// Two maps, field by field: `join` makes one of what both have. A field the child leaves empty
/// counts as absent. Anything that is no map replaces what was there.
fn merged_maps(parent: Node, child: Node, join: impl Fn(&str, Node, Node) -> Node) -> Node {
    let both = match (parent.value, child.value) {
        (Value::Map(theirs), Value::Map(own)) => {
            let mut out: Vec<Entry> = theirs;
            for (name, at, node) in own {
                if matches!(node.value, Value::Null) {
                    continue;
                }
                match out.iter().position(|(known, _, _)| *known == name) {
                    None => out.push((name, at, node)),
                    Some(idx) => {
                        let (_, _, inherited) = out.remove(idx);
                        let joined = join(&name, inherited, node);
                        out.insert(idx, (name, at, joined));
                    }
                }
            }
            Value::Map(out)
        }
        (_, own) => own,
    };
    Node {
        value: both,
        ..child
    }
}

fn replaced(_: &str, _: Node, child: Node) -> Node {
    child
}

/// Maps all the way down; lists and scalars are replaced.
fn deep(_: &str, parent: Node, child: Node) -> Node {
    merged_maps(parent, child, deep)
}

/// The child's own head, and the spec of both.
pub(super) fn merged_root(mut parent: Node, mut child: Node) -> Node {
    if let Value::Map(entries) = &mut parent.value {
        entries.retain(|(name, _, _)| name == "spec");
    }
    if let Value::Map(entries) = &mut child.value {
        entries.retain(|(name, _, _)| name != "extends");
    }
    merged_maps(parent, child, |name, parent, child| match name {
        "spec" => merged_maps(parent, child, spec_field),
        _ => child,
    })
}

fn spec_field(name: &str, parent: Node, child: Node) -> Node {
    match name {
        "metrics" => by_name(parent, child, |_, parent, child| {
            merged_maps(parent, child, metric_field)
        }),
        "objectives" => by_name(parent, child, |_, parent, child| {
            merged_maps(parent, child, replaced)
        }),
        "allow_warnings" => appended(parent, child),
        "changes" => merged_maps(parent, child, |_, parent, child| {
            merged_maps(parent, child, spec_field)
        }),
        _ => deep(name, parent, child),
    }
}

fn metric_field(name: &str, parent: Node, child: Node) -> Node {
    match name {
        "kayenta" | "judge" => deep(name, parent, child),
        _ if MEASURES.contains(&name) => merged_maps(parent, child, replaced),
        _ => child,
    }
}

fn appended(parent: Node, mut child: Node) -> Node {
    if let (Value::List(theirs), Value::List(own)) = (parent.value, &mut child.value) {
        own.splice(0..0, theirs);
    }
    child
}

/// Two lists of named things: what has a name of the parent's overrides it field by field, what has
/// another one is added, `remove: true` takes it away. What the child says wrongly (a name twice,
/// something to remove that is not there) stays in the list, where it is complained about.
fn by_name(parent: Node, child: Node, join: impl Fn(&str, Node, Node) -> Node) -> Node {
    let both = match (parent.value, child.value) {
        (Value::List(theirs), Value::List(own)) => Value::List(overridden(theirs, own, join)),
        (_, own) => own,
    };
    Node {
        value: both,
        ..child
    }
}

fn overridden(
    mut out: Vec<Node>,
    own: Vec<Node>,
    join: impl Fn(&str, Node, Node) -> Node,
) -> Vec<Node> {
    let name_of = |node: &Node| entry(node, "name").and_then(text_of).map(str::to_owned);
    let mut seen: Vec<String> = Vec::new();
    for item in own {
        let name = name_of(&item);
        let inherited = name
            .as_ref()
            .filter(|name| !seen.contains(name))
            .and_then(|name| {
                out.iter()
                    .position(|known| name_of(known).as_ref() == Some(name))
            });
        seen.extend(name);
        match inherited {
            None => out.push(item),
            Some(idx) if is_removal(&item) => drop(out.remove(idx)),
            Some(idx) => {
                let mut theirs = out.remove(idx);
                give_way(&mut theirs, &item);
                out.insert(idx, join("", theirs, item));
            }
        }
    }
    out
}

/// `{ name: …, remove: true }` and nothing else.
fn is_removal(item: &Node) -> bool {
    let Value::Map(entries) = &item.value else {
        return false;
    };
    let truly = |node: &Node| matches!(node.value, Value::Bool(true));
    entries.len() == 2 && entry(item, "remove").is_some_and(truly)
}

/// A metric measured in another way loses the old one.
fn give_way(theirs: &mut Node, own: &Node) {
    let measured = MEASURES.iter().any(|kind| entry(own, kind).is_some());
    if let (true, Value::Map(entries)) = (measured, &mut theirs.value) {
        let stays = |name: &str| !MEASURES.contains(&name) || entry(own, name).is_some();
        entries.retain(|(name, _, _)| stays(name));
    }
}

/// A metric that comes from elsewhere, under what the template says of it.
pub(super) fn metric_under(mut made: Node, own: Node) -> Node {
    give_way(&mut made, &own);
    merged_maps(made, own, metric_field)
}

/// An objective that comes from elsewhere, under what the template says of it.
pub(super) fn objective_under(made: Node, own: Node) -> Node {
    merged_maps(made, own, replaced)
}

/// The root of a template with one rule of its `spec.changes` joined in, and no rules any more.
pub(super) fn with_rule(root: &Node, rule: &Node) -> Node {
    let mut out = root.clone();
    let Value::Map(entries) = &mut out.value else {
        return out;
    };
    for (_, _, spec) in entries.iter_mut().filter(|(name, _, _)| name == "spec") {
        *spec = merged_maps(spec.clone(), rule.clone(), spec_field);
        if let Value::Map(fields) = &mut spec.value {
            fields.retain(|(field, _, _)| field != "changes");
        }
    }
    out
}
