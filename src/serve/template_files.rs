//! Templates as files: one, with the templates of its folder that it extends, or a whole folder.

use crate::diagnostic::Diagnostic;
use crate::ids::TemplateName;
use crate::template::Template;
use crate::template::extends::{Ancestor, Bundle, bundle, head};
use crate::template::slo_spec::files;
use std::io;
use std::path::{Path, PathBuf};

/// A template file as it was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The name it gives itself, when that can be read.
    pub name: Option<TemplateName>,
    /// The files it reads objectives from, as far as they are there.
    pub beside: Vec<(String, String)>,
}

impl File {
    fn read(path: PathBuf) -> Result<Self, String> {
        let text = std::fs::read_to_string(&path)
            .map_err(|fault| format!("template {}: {fault}", path.display()))?;
        let dir = folder_of(&path);
        let beside = files::named(&text).into_iter().filter_map(|name| {
            let text = std::fs::read_to_string(dir.join(&name)).ok()?;
            Some((name, text))
        });
        Ok(Self {
            name: head(&text).0,
            beside: beside.collect(),
            path,
            text,
        })
    }

    /// Its text with the files it reads objectives from.
    pub fn whole(&self) -> String {
        let files = self.beside.iter();
        files::with_files(
            &self.text,
            files.map(|(name, text)| (name.as_str(), text.as_str())),
        )
    }

    /// Its text with those it extends, found among `others`.
    pub fn bundled(&self, others: &[Self]) -> Bundle {
        let known: Vec<TemplateName> = others.iter().filter_map(|file| file.name.clone()).collect();
        let find = |name: &TemplateName| {
            let found = others
                .iter()
                .find(|file| file.name.as_ref() == Some(name))?;
            Some(Ancestor {
                label: found.path.display().to_string(),
                text: found.whole(),
            })
        };
        bundle(
            &self.path.display().to_string(),
            &self.whole(),
            find,
            &known,
        )
    }
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    dir.unwrap_or(Path::new("."))
}

/// Every `*.yaml` and `*.yml` of a folder, in the order of their names; tests of templates
/// (`*.test.yaml`) may lie beside them.
pub fn paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let is_template = |path: &PathBuf| {
        let extension = path.extension();
        let stem = path.file_stem().map(Path::new);
        let is_test = stem
            .and_then(Path::extension)
            .is_some_and(|ext| ext == "test");
        extension.is_some_and(|ext| ext == "yaml" || ext == "yml") && !is_test && path.is_file()
    };
    let entries = std::fs::read_dir(dir)?;
    let mut out: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    out.retain(is_template);
    out.sort();
    Ok(out)
}

/// Those of them that are templates: a file of objectives may lie beside the template that reads
/// it.
pub fn templates(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = paths(dir)?;
    out.retain(|path| {
        let text = std::fs::read_to_string(path);
        text.map_or(true, |text| files::owner(&text).is_none())
    });
    Ok(out)
}

/// The templates of a folder; one that cannot be read is an error with its path.
pub fn folder(dir: &Path) -> io::Result<Vec<Result<File, (PathBuf, String)>>> {
    let files = templates(dir)?.into_iter().map(|path| {
        let kept = path.clone();
        File::read(path).map_err(|why| (kept, why))
    });
    Ok(files.collect())
}

/// The bundle of a template file: only one that extends another makes its folder be read.
pub fn bundle_of(path: &Path) -> Result<Bundle, String> {
    let file = File::read(path.to_owned())?;
    let extends = head(&file.text).1.is_some();
    let others: Vec<File> = match folder(folder_of(path)) {
        Ok(files) if extends => files.into_iter().flatten().collect(),
        _ => Vec::new(),
    };
    Ok(file.bundled(&others))
}

/// Reads and parses a template file; the message carries every error with its source line.
pub fn read(path: &Path) -> Result<Template, String> {
    let bundle = bundle_of(path)?;
    parsed(&path.display().to_string(), &bundle)
}

/// Parses a bundle; the message carries every error with its source line.
pub fn parsed(shown: &str, bundle: &Bundle) -> Result<Template, String> {
    let (template, found) = bundle.parse();
    template.ok_or_else(|| refused(shown, bundle, &found))
}

/// Every error with its source line.
pub fn refused(shown: &str, bundle: &Bundle, found: &[Diagnostic]) -> String {
    let errors = found.iter().filter(|said| said.is_error());
    let rendered: Vec<String> = errors.map(|said| bundle.render(said)).collect();
    format!("template {shown} is refused\n{}", rendered.join("\n"))
}
