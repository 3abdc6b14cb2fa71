//! Templates that change while the daemon runs: what is new is taken, what is broken changes
//! nothing and is said.

use haldane::http::Shelf;
use haldane::serve::templates::Folder;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn template(name: &str, deadline: &str) -> String {
    format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: {name} }}\nspec:\n  \
         schedule: {{ step: 30s, deadline: {deadline} }}\n  metrics:\n    - name: errors\n      \
         harm: increase\n      min_effect: {{ absolute: 1% }}\n      \
         events: {{ bad: 'bad{{${{selector}}}}', total: 'total{{${{selector}}}}' }}\n"
    )
}

fn child(name: &str, extends: &str) -> String {
    format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: {name} }}\n\
         extends: {extends}\nspec: {{}}\n"
    )
}

/// Name and deadline of each template, then each refused file with the template it keeps.
fn shown(shelf: &Shelf) -> String {
    let known = shelf.known.iter().map(|(name, file)| {
        let deadline = file.template.schedule.deadline;
        format!("{name} {deadline}")
    });
    let refused = shelf.refused.iter().map(|file| {
        let name = Path::new(&file.file).file_name().unwrap().to_str().unwrap();
        let keeps = file.keeps.as_ref().map_or("nothing", |name| name.as_str());
        assert!(file.why.contains(name), "{}", file.why);
        format!("{name} keeps {keeps}")
    });
    known.chain(refused).collect::<Vec<_>>().join("; ")
}

/// File, name of the template, deadline.
type Written = (&'static str, &'static str, &'static str);

/// Files to write (an empty text: to remove), and what is there afterwards.
const STEPS: &[(&[Written], &str)] = &[
    (&[], "a 30m; b 30m"),
    (&[("a.yaml", "a", "40m")], "a 40m; b 30m"),
    (&[("a.yaml", "a", "40")], "a 40m; b 30m; a.yaml keeps a"),
    (&[("a.yaml", "a", "50m")], "a 50m; b 30m"),
    (&[("c.yml", "c", "x")], "a 50m; b 30m; c.yml keeps nothing"),
    (&[("c.yml", "c", "20m")], "a 50m; b 30m; c 20m"),
    (&[("notes.txt", "d", "20m")], "a 50m; b 30m; c 20m"),
    (
        &[("c.yml", "a", "20m")],
        "a 50m; b 30m; c 20m; c.yml keeps c",
    ),
    (&[("a.yaml", "", ""), ("c.yml", "", "")], "b 30m"),
    (&[("b.yaml", "e", "20m")], "e 20m"),
];

#[test]
fn what_is_new_is_taken_and_what_is_broken_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
    write("a.yaml", &template("a", "30m"));
    write("b.yaml", &template("b", "30m"));
    let (mut folder, shelf) = Folder::open(dir.path(), Vec::new()).unwrap();
    let mut shelf = shelf.read().unwrap().clone();
    for (files, wanted) in STEPS {
        for (file, name, deadline) in *files {
            if name.is_empty() {
                std::fs::remove_file(dir.path().join(file)).unwrap();
            } else {
                write(file, &template(name, deadline));
            }
        }
        folder.refresh(&mut shelf).unwrap();
        assert_eq!(shown(&shelf), *wanted, "{files:?}");
        assert!(
            !folder.refresh(&mut shelf).unwrap(),
            "nothing has changed since"
        );
    }
}

/// A child follows its parent, and keeps its last good state when the parent is broken.
#[test]
fn a_child_follows_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
    write("base.yaml", &template("base", "30m"));
    write("child.yaml", &child("child", "base"));
    let (mut folder, shelf) = Folder::open(dir.path(), Vec::new()).unwrap();
    let mut shelf = shelf.read().unwrap().clone();
    for (deadline, wanted) in [
        ("40m", "base 40m; child 40m"),
        (
            "40",
            "base 40m; child 40m; base.yaml keeps base; child.yaml keeps child",
        ),
        ("50m", "base 50m; child 50m"),
    ] {
        write("base.yaml", &template("base", deadline));
        folder.refresh(&mut shelf).unwrap();
        assert_eq!(shown(&shelf), wanted);
    }
    std::fs::remove_file(dir.path().join("base.yaml")).unwrap();
    folder.refresh(&mut shelf).unwrap();
    assert_eq!(shown(&shelf), "child 50m; child.yaml keeps child");
}

/// At the start there is nothing good to fall back to. A folder that goes away takes nothing along.
#[test]
fn the_start_is_strict_and_a_lost_folder_is_not_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let templates = dir.path().join("templates");
    assert_eq!(
        shown(
            &Folder::open(&templates, Vec::new())
                .unwrap()
                .1
                .read()
                .unwrap()
        ),
        ""
    );
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(templates.join("a.yaml"), template("a", "soon")).unwrap();
    let message = Folder::open(&templates, Vec::new()).unwrap_err();
    assert!(message.contains("a.yaml:5:36"), "{message}");
    std::fs::write(templates.join("a.yaml"), template("a", "30m")).unwrap();
    let (mut folder, shelf) = Folder::open(&templates, Vec::new()).unwrap();
    let mut shelf = shelf.read().unwrap().clone();
    std::fs::remove_dir_all(&templates).unwrap();
    assert!(folder.refresh(&mut shelf).is_err());
    assert_eq!(shown(&shelf), "a 30m");
}

/// The daemon's own loop: the shelf its handlers see changes, and the loop ends when told to.
#[tokio::test]
async fn the_loop_looks_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, template("a", "30m")).unwrap();
    let (folder, shelf) = Folder::open(dir.path(), Vec::new()).unwrap();
    let stop = CancellationToken::new();
    let every = Duration::from_millis(5);
    let watch = tokio::spawn(folder.watch(Arc::clone(&shelf), every, stop.clone()));
    std::fs::write(&path, template("a", "40m")).unwrap();
    let mut looks = tokio::time::interval(every);
    while shown(&shelf.read().unwrap()) != "a 40m" {
        looks.tick().await;
    }
    stop.cancel();
    watch.await.unwrap();
}
