//! The Prometheus queries Kayenta builds, for those who bring its configuration along.

use std::collections::BTreeMap;

/// Text before which a template is the query itself.
const PROMQL: &str = "PromQL:";

/// How deep values that hold holes themselves are filled; deeper is an error, where Kayenta
/// reports an endless loop.
const DEPTH_MAX: usize = 16;

/// A metric's query as configured, bound to one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuerySource<'q> {
    /// The metric's name.
    pub metric_name: &'q str,
    /// Matchers as text, taken as they are.
    pub label_bindings: Vec<&'q str>,
    /// What to group by.
    pub group_by: Vec<&'q str>,
    /// `gce_instance`, `aws_ec2_instance`, or nothing.
    pub resource_type: Option<&'q str>,
    /// A filter, or after `PromQL:` the whole query; wins over the named one.
    pub inline_template: Option<&'q str>,
    /// The name of a filter in `templates`.
    pub named_template: Option<&'q str>,
    /// The filters of the configuration.
    pub templates: BTreeMap<&'q str, &'q str>,
    /// The side's scope.
    pub scope: Option<&'q str>,
    /// The side's location.
    pub location: Option<&'q str>,
    /// The project of a `gce_instance`.
    pub project: Option<&'q str>,
    /// Further values for holes.
    pub extended: BTreeMap<&'q str, &'q str>,
    /// The label that holds the scope.
    pub scope_label: &'q str,
}

/// An empty text counts as absent.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

impl QuerySource<'_> {
    /// The query, or Kayenta's complaint.
    pub fn build(&self) -> Result<String, String> {
        let template = self.template()?;
        let filter = match template {
            None => None,
            Some(template) => Some(expand(template, &self.bindings())?),
        };
        if let Some(query) = filter
            .as_deref()
            .and_then(|filter| filter.strip_prefix(PROMQL))
        {
            return Ok(query.trim().to_owned());
        }
        if self.metric_name.is_empty() {
            return Err("Metric Name is required when query type is Default.".to_owned());
        }
        let filters = match &filter {
            Some(filter) => {
                let split = filter.split(',').map(str::to_owned);
                split.chain(self.labels()).collect()
            }
            None => self.resource_filters()?,
        };
        let by = match self.group_by.as_slice() {
            [] => String::new(),
            labels => format!(" by ({})", labels.join(",")),
        };
        let (name, filters) = (self.metric_name, filters.join(","));
        Ok(format!("avg({name}{{{filters}}}){by}"))
    }

    fn labels(&self) -> impl Iterator<Item = String> + '_ {
        self.label_bindings.iter().map(|&label| label.to_owned())
    }

    fn template(&self) -> Result<Option<&str>, String> {
        if let Some(inline) = given(self.inline_template) {
            return Ok(Some(inline));
        }
        let Some(name) = given(self.named_template) else {
            return Ok(None);
        };
        match self.templates.get(name) {
            Some(template) => Ok(Some(template)),
            None if self.templates.is_empty() => Err(format!(
                "Custom filter template '{name}' was referenced, but no templates were defined."
            )),
            None => Err(format!("Custom filter template '{name}' was not found.")),
        }
    }

    fn bindings(&self) -> BTreeMap<&str, &str> {
        let own = [
            ("project", self.project),
            ("resourceType", self.resource_type),
            ("scope", self.scope),
            ("location", self.location),
        ];
        let mut bindings: BTreeMap<&str, &str> = own
            .into_iter()
            .filter_map(|(name, value)| Some((name, given(value)?)))
            .collect();
        bindings.extend(self.extended.iter().map(|(name, value)| (*name, *value)));
        bindings
    }

    fn resource_filters(&self) -> Result<Vec<String>, String> {
        let Some(kind) = given(self.resource_type) else {
            return Err("Either a resource type or a custom filter is required.".to_owned());
        };
        if !["gce_instance", "aws_ec2_instance"].contains(&kind) {
            return Err(format!(
                "There is no explicit support for resourceType '{kind}'."
            ));
        }
        let Some(location) = given(self.location) else {
            return Err(format!(
                "Location is required when resourceType is '{kind}'."
            ));
        };
        let mut filters: Vec<String> = self.labels().collect();
        let scope = given(self.scope);
        if kind == "gce_instance" {
            let label = self.scope_label;
            filters.extend(scope.map(|scope| format!("{label}=~\"{scope}-.{{4}}\"")));
            let project = given(self.project);
            let project = project.map_or_else(String::new, |name| format!("projects/{name}/"));
            filters.push(format!("zone=~\".+/{project}zones/{location}-.{{1}}\""));
        } else {
            filters.extend(scope.map(|scope| format!("asg_groupName=\"{scope}\"")));
            filters.push(format!("zone=~\"{location}.{{1}}\""));
        }
        Ok(filters)
    }
}

/// Hides holes from whoever expands expressions on the way: `${` becomes `$\{`.
pub fn escape(template: &str) -> String {
    template.replace("${", "$\\{")
}

/// The reverse of [`escape`].
pub fn unescape(template: &str) -> String {
    template.replace("$\\{", "${")
}

/// Fills the holes `${name}` and `${name:-otherwise}`; `$${name}` stays as `${name}`. Values are
/// put in as they are, **nothing is quoted for PromQL**.
pub fn expand(template: &str, bindings: &BTreeMap<&str, &str>) -> Result<String, String> {
    fill(&unescape(template), bindings, 0)
        .ok_or_else(|| format!("Problem evaluating custom filter template: {template}"))
}

fn fill(text: &str, bindings: &BTreeMap<&str, &str>, depth: usize) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, hole) = rest.split_at(at);
        let inside = hole.get(2..)?;
        let Some(end) = inside.find('}') else {
            break;
        };
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str(hole.get(..end + 3)?);
        } else {
            out.push_str(before);
            let (name, otherwise) = match inside.get(..end)?.split_once(":-") {
                Some((name, otherwise)) => (name, Some(otherwise)),
                None => (inside.get(..end)?, None),
            };
            let value = bindings.get(name).copied().or(otherwise)?;
            if depth >= DEPTH_MAX {
                return None;
            }
            out.push_str(&fill(value, bindings, depth + 1)?);
        }
        rest = inside.get(end + 1..)?;
    }
    out.push_str(rest);
    Some(out)
}
