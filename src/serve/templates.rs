//! The folder of templates.

use crate::diagnostic::Diagnostic;
use crate::http::{TemplateFile, Templates};
use crate::template::parse::parse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// Reads every `*.yaml` and `*.yml` of `dir`. A missing folder is an empty one (templates may come
/// with submissions); a broken template is an error with its place.
pub(crate) fn load(dir: &Path) -> Result<Templates, String> {
    let mut out = BTreeMap::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            tracing::warn!(dir = %dir.display(), "no templates folder; submissions bring them");
            return Ok(Arc::default());
        }
        Err(fault) => return Err(format!("templates.dir {}: {fault}", dir.display())),
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let yaml = path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml");
        if !yaml || !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|fault| format!("template {}: {fault}", path.display()))?;
        let (template, diagnostics) = parse(&text);
        let Some(template) = template else {
            let shown = path.display().to_string();
            let rendered: String = diagnostics
                .iter()
                .filter(|d| d.is_error())
                .map(|d: &Diagnostic| d.render(&shown, &text))
                .collect();
            return Err(format!("template {shown} is refused:\n{rendered}"));
        };
        let name = template.name.clone();
        let file = TemplateFile {
            text: text.into(),
            template: Arc::new(template),
        };
        if out.insert(name.clone(), file).is_some() {
            return Err(format!(
                "template {}: another file in {} is already named {name}",
                path.display(),
                dir.display()
            ));
        }
    }
    Ok(Arc::new(RwLock::new(out)))
}
