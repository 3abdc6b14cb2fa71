//! The runner of test cases that are data: files of blocks, each an input, a line `----`, and what
//! is expected. `UPDATE_CASES=1` rewrites what stands under `----`; the reviewed diff is the change
//! of behaviour. Lines that begin with `#` are comments, blank lines separate blocks.

use std::path::{Path, PathBuf};

/// Runs every `*.test` file under `tests/cases/<folder>`; `run` makes one function per file, which
/// answers the blocks in order (so a file can build up state).
pub(crate) fn check<F: FnMut(&str) -> String>(folder: &str, run: impl Fn() -> F) {
    let update = std::env::var("UPDATE_CASES").is_ok();
    let files = files(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cases")
            .join(folder),
    );
    assert!(!files.is_empty(), "no case files in tests/cases/{folder}");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let answered = answer(&text, run());
        if answered == text {
            continue;
        }
        if update {
            std::fs::write(&file, answered).unwrap();
        } else {
            wrong.push(format!("{}\n{}", file.display(), diff(&text, &answered)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "test")
        })
        .collect();
    out.sort();
    out
}

/// The file with the expected parts replaced by what came out.
fn answer(text: &str, mut run: impl FnMut(&str) -> String) -> String {
    let mut blocks = Vec::new();
    for block in text.trim_end().split("\n\n") {
        let lines = || block.lines();
        let input: Vec<&str> = lines().take_while(|line| *line != "----").collect();
        if !lines().any(|line| line == "----") {
            blocks.push(block.to_owned());
            continue;
        }
        let code: Vec<&str> = input
            .iter()
            .copied()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let result = run(&code.join("\n"));
        let result = result.trim_end();
        assert!(
            !result.contains("\n\n"),
            "a blank line would end the block: {result}"
        );
        blocks.push(format!("{}\n----\n{result}", input.join("\n")));
    }
    blocks.join("\n\n") + "\n"
}

fn diff(wanted: &str, got: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let (wanted, got): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), got.lines().collect());
    for idx in 0..wanted.len().max(got.len()) {
        let (left, right) = (wanted.get(idx), got.get(idx));
        if left != right {
            let _ = writeln!(
                out,
                "  line {}: expected {:?}, got {:?}",
                idx + 1,
                left.unwrap_or(&"(nothing)"),
                right.unwrap_or(&"(nothing)")
            );
        }
    }
    out
}
