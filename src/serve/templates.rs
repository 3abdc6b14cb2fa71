//! The folder of templates.

use crate::http::{TemplateFile, Templates};
use crate::serve::template_files::{self, File};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// Reads every `*.yaml` and `*.yml` of `dir`. A missing folder is an empty one (templates may come
/// with submissions); a broken template is an error with its place.
pub(crate) fn load(dir: &Path) -> Result<Templates, String> {
    let files = match template_files::folder(dir) {
        Ok(files) => files,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            tracing::warn!(dir = %dir.display(), "no templates folder; submissions bring them");
            return Ok(Arc::default());
        }
        Err(fault) => return Err(format!("templates.dir {}: {fault}", dir.display())),
    };
    let files: Vec<File> = files
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|(_, why)| why)?;
    let mut out = BTreeMap::new();
    for file in &files {
        let shown = file.path.display().to_string();
        let bundle = file.bundled(&files);
        let template = template_files::parsed(&shown, &bundle)?;
        let name = template.name.clone();
        let entry = TemplateFile {
            text: bundle.text.into(),
            template: Arc::new(template),
        };
        if out.insert(name.clone(), entry).is_some() {
            return Err(format!(
                "template {shown}: another file in {} is already named {name}",
                dir.display()
            ));
        }
    }
    Ok(Arc::new(RwLock::new(out)))
}
