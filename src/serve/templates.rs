//! The folder of templates, read at the start and looked at again while the daemon runs: a changed
//! file takes effect for new analyses, a broken one leaves what was good in use and says so.

use crate::http::{RefusedFile, Shelf, TemplateFile, Templates};
use crate::ids::{ReceiverName, TemplateName};
use crate::serve::template_files::{self, File};
use crate::template::notify::unknown_receivers;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A folder of templates and what was seen in it last.
#[derive(Debug, Default)]
pub struct Folder {
    dir: PathBuf,
    /// The receivers that templates may name.
    receivers: Vec<ReceiverName>,
    /// The text of every file, or why it could not be read.
    seen: Vec<(PathBuf, Result<String, String>)>,
    /// Which template a file last gave.
    gave: BTreeMap<PathBuf, TemplateName>,
    /// The folder itself cannot be read, and that has been said.
    lost: bool,
}

impl Folder {
    /// Reads every `*.yaml` and `*.yml` of `dir`. A missing folder is an empty one (templates may
    /// come with submissions); a broken template is an error with its place. `receivers` are those
    /// that templates may name.
    pub fn open(dir: &Path, receivers: Vec<ReceiverName>) -> Result<(Self, Templates), String> {
        let mut folder = Self {
            dir: dir.to_owned(),
            receivers,
            ..Self::default()
        };
        let mut shelf = Shelf::default();
        match folder.refresh(&mut shelf) {
            Ok(_) => {}
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), "no templates folder; submissions bring them");
                folder.lost = true;
            }
            Err(fault) => return Err(format!("templates.dir {}: {fault}", dir.display())),
        }
        match shelf.refused.first() {
            Some(refused) => Err(refused.why.clone()),
            None => Ok((folder, Arc::new(RwLock::new(shelf)))),
        }
    }

    /// Brings the shelf up to date; whether anything had changed in the folder.
    pub fn refresh(&mut self, shelf: &mut Shelf) -> io::Result<bool> {
        let read = template_files::folder(&self.dir)?;
        let texts = read.iter().map(|one| match one {
            Ok(file) => (file.path.clone(), Ok(file.whole())),
            Err((path, why)) => (path.clone(), Err(why.clone())),
        });
        let texts: Vec<_> = texts.collect();
        if texts == self.seen {
            return Ok(false);
        }
        self.seen = texts;
        let files: Vec<File> = read.iter().flatten().cloned().collect();
        let mut fresh = Shelf::default();
        let mut broken: Vec<(PathBuf, String)> = Vec::new();
        let mut gave = BTreeMap::new();
        for one in read {
            let made = match one {
                Ok(file) => {
                    made(&file, &files, &self.receivers).map_err(|why| (file.path.clone(), why))
                }
                Err(unreadable) => Err(unreadable),
            };
            match made {
                Ok((path, entry)) => {
                    let name = entry.template.name.clone();
                    if fresh.known.contains_key(&name) {
                        broken.push((path.clone(), named_twice(&path, &self.dir, &name)));
                    } else {
                        fresh.known.insert(name.clone(), entry);
                        gave.insert(path, name);
                    }
                }
                Err(said) => broken.push(said),
            }
        }
        for (path, why) in broken {
            let keeps = self.keep(&path, shelf, &mut fresh, &mut gave);
            let file = path.display().to_string();
            fresh.refused.push(RefusedFile { file, keeps, why });
        }
        self.gave = gave;
        *shelf = fresh;
        Ok(true)
    }

    /// What a file gave when it was last good.
    fn keep(
        &self,
        path: &Path,
        shelf: &Shelf,
        fresh: &mut Shelf,
        gave: &mut BTreeMap<PathBuf, TemplateName>,
    ) -> Option<TemplateName> {
        let name = self.gave.get(path)?;
        let good = shelf.known.get(name)?;
        if fresh.known.contains_key(name) {
            return None; // another file has taken its name
        }
        fresh.known.insert(name.clone(), good.clone());
        gave.insert(path.to_owned(), name.clone());
        Some(name.clone())
    }

    /// Looks again every so often, until `stop`. With an `every` of zero it ends at once.
    pub async fn watch(mut self, shelf: Templates, every: Duration, stop: CancellationToken) {
        note_counts(&shelf);
        if every.is_zero() {
            return;
        }
        let mut look = tokio::time::interval(every);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => self.look_again(&shelf),
            }
        }
    }

    fn look_again(&mut self, shelf: &Templates) {
        let before = shelf.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut after = before.clone();
        match self.refresh(&mut after) {
            Ok(false) => self.lost = false,
            Ok(true) => {
                self.lost = false;
                log_changes(&before, &after);
                *shelf.write().unwrap_or_else(PoisonError::into_inner) = after;
                note_counts(shelf);
            }
            Err(fault) if !self.lost => {
                self.lost = true;
                let dir = self.dir.display();
                tracing::error!(%dir, %fault, "the templates folder is gone; all stay in use");
            }
            Err(_) => {}
        }
    }
}

fn made(
    file: &File,
    files: &[File],
    receivers: &[ReceiverName],
) -> Result<(PathBuf, TemplateFile), String> {
    let bundle = file.bundled(files);
    let shown = file.path.display().to_string();
    let template = template_files::parsed(&shown, &bundle)?;
    let unknown = unknown_receivers(&template, receivers);
    if !unknown.is_empty() {
        return Err(template_files::refused(&shown, &bundle, &unknown));
    }
    let entry = TemplateFile {
        text: bundle.text.into(),
        template: Arc::new(template),
    };
    Ok((file.path.clone(), entry))
}

fn named_twice(path: &Path, dir: &Path, name: &TemplateName) -> String {
    let (path, dir) = (path.display(), dir.display());
    format!("template {path}: another file in {dir} is already named {name}")
}

/// One line per template that is new, changed or gone, and per file that is refused.
fn log_changes(before: &Shelf, after: &Shelf) {
    let names: BTreeSet<&TemplateName> = before.known.keys().chain(after.known.keys()).collect();
    for name in names {
        let digest = |shelf: &Shelf| shelf.known.get(name).map(|file| file.template.digest);
        let (old, new) = (digest(before), digest(after));
        let change = match (old, new) {
            (None, _) => "new",
            (_, None) => "removed",
            _ => "changed",
        };
        if old != new {
            metrics::counter!("haldane_template_changes_total").increment(1);
            let digest = new.map_or_else(String::new, |digest| digest.short());
            tracing::info!(template = %name, digest, change, "template");
        }
    }
    for file in after
        .refused
        .iter()
        .filter(|file| !before.refused.contains(file))
    {
        let keeps = file.keeps.as_ref().map_or("", TemplateName::as_str);
        tracing::error!(file = %file.file, keeps, why = %file.why, "template refused");
    }
}

fn note_counts(shelf: &Templates) {
    let shelf = shelf.read().unwrap_or_else(PoisonError::into_inner);
    metrics::gauge!("haldane_templates").set(shelf.known.len() as f64);
    metrics::gauge!("haldane_templates_refused").set(shelf.refused.len() as f64);
}
