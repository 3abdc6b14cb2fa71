//! The query Kayenta would build of a metric, with its variables as holes.

use super::Config;
use crate::import::draft::hole_from;
use crate::import::source::Fields;

/// A query as Kayenta builds it.
pub(super) struct Built {
    /// With holes.
    pub(super) query: String,
    /// Variables, with their fallbacks.
    pub(super) variables: Vec<(String, Option<String>)>,
}

/// Builds the query of a metric: `Err` inside is a query that cannot be imported.
pub(super) fn build(
    query: &Fields<'_>,
    config: &Config<'_>,
) -> Result<Result<Built, String>, String> {
    let filled = |name: &str| Ok::<_, String>(query.text(name)?.filter(|text| !text.is_empty()));
    let (inline, filter) = (
        filled("customInlineTemplate")?,
        filled("customFilterTemplate")?,
    );
    let metric = filled("metricName")?;
    let labels = query.texts("labelBindings")?;
    let groups = query.texts("groupByFields")?;
    let resource = filled("resourceType")?;
    query.skip(&["type", "serviceType", "labelBindings", "groupByFields"]);
    if let Some(dead) = filled("customFilter")? {
        let why = format!("`customFilter` `{dead}` is refused by Kayenta, too: use a template");
        return Ok(Err(why));
    }
    let template = match (inline, filter) {
        (Some(inline), _) => Some(inline),
        (None, Some(name)) => match config.templates.get(&name) {
            Some(text) => Some(text.clone()),
            None => return Ok(Err(format!("the template `{name}` is not in `templates`"))),
        },
        (None, None) => None,
    };
    let template = template.map(|text| text.replace("$\\{", "${"));
    if let Some(whole) = template
        .as_deref()
        .and_then(|text| text.strip_prefix("PromQL:"))
    {
        return Ok(Ok(substituted(whole.trim())));
    }
    let Some(metric) = metric else {
        return Ok(Err(
            "neither a metric nor a query that begins with `PromQL:`".to_owned(),
        ));
    };
    let filters = match filters(template, resource.as_deref(), labels) {
        Ok(filters) => filters.join(","),
        Err(why) => return Ok(Err(why)),
    };
    let by = if groups.is_empty() {
        String::new()
    } else {
        format!(" by ({})", groups.join(", "))
    };
    let text = format!("avg({metric}{{{filters}}}){by}");
    Ok(Ok(substituted(&text)))
}

/// The matchers of a metric that is named without a query.
fn filters(
    template: Option<String>,
    resource: Option<&str>,
    labels: Vec<String>,
) -> Result<Vec<String>, String> {
    let of = |scope: &[&str]| {
        let scope = scope.iter().map(ToString::to_string);
        labels.iter().cloned().chain(scope).collect()
    };
    let mut filters: Vec<String> = match (template, resource) {
        (Some(text), _) => {
            let parts = text.split(',').map(|part| part.trim().to_owned());
            parts.chain(labels).collect()
        }
        (None, Some("gce_instance")) => of(&[
            "instance=~\"${scope}-.{4}\"",
            "zone=~\".+/zones/${location}-.{1}\"",
        ]),
        (None, Some("aws_ec2_instance")) => {
            of(&["asg_groupName=\"${scope}\"", "zone=~\"${location}.{1}\""])
        }
        (None, other) => {
            let what = other.map_or_else(
                || "neither a resource type nor a template".to_owned(),
                |other| format!("the resource type `{other}`"),
            );
            return Err(format!("{what}: Kayenta cannot build a query either"));
        }
    };
    filters.retain(|filter| !filter.is_empty());
    Ok(filters)
}

/// Variables as holes: `${name:-fallback}` is one with a default, `$${x}` is text.
fn substituted(text: &str) -> Built {
    let mut query = String::new();
    let mut variables: Vec<(String, Option<String>)> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        query.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            query.push_str("${");
            rest = after;
            continue;
        };
        rest = after;
        if before.ends_with('$') {
            // A literal there, and by the same spelling a literal here.
            query.push_str("${");
            query.push_str(inside);
            query.push('}');
            continue;
        }
        let (name, fallback) = match inside.split_once(":-") {
            Some((name, fallback)) => (name, Some(fallback.to_owned())),
            None => (inside, None),
        };
        let hole = hole_from(name.trim());
        query.push_str("${");
        query.push_str(&hole);
        query.push('}');
        if hole != "scope" && !variables.iter().any(|(known, _)| *known == hole) {
            variables.push((hole, fallback));
        }
    }
    query.push_str(rest);
    Built { query, variables }
}
