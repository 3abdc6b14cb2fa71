//! The commands as people and pipelines meet them: sessions against golden files, exit codes,
//! signals, closed pipes, and the page that describes them all.
//!
//! A file in `tests/cases/cli/*.session` holds commands (`$ …`), what they print (`! ` before lines
//! of stderr) and the exit code (`-> …`). `UPDATE_CASES=1` rewrites what the commands print; the
//! reviewed diff is the change of behaviour. `// ` begins a comment.

use crate::docs::{read, root};
use crate::support::daemon::{Site, haldane};
use haldane::cli::reference;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

const HALDANE: &str = env!("CARGO_BIN_EXE_haldane");

/// A command in the folder of the cases, in an environment that is the same everywhere.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let bin = Path::new(HALDANE).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .current_dir(root().join("tests/cases/cli"))
        .env_clear()
        .env("PATH", format!("{bin}:{path}"))
        .env("LANG", "C.UTF-8")
        .env("COLUMNS", "100")
        .stdin(Stdio::null());
    command
}

fn prefixed(prefix: &str, bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .lines()
        .fold(String::new(), |mut out, line| {
            writeln!(out, "{}", format!("{prefix}{line}").trim_end()).unwrap();
            out
        })
}

/// The session with what its commands print today.
fn played(session: &str) -> String {
    let mut out = String::new();
    for line in session.lines() {
        if line.starts_with("// ") {
            writeln!(out, "{line}").unwrap();
        }
        let Some(line) = line.strip_prefix("$ ") else {
            continue;
        };
        let ran = command("bash").args(["-c", line]).output().unwrap();
        writeln!(out, "$ {line}").unwrap();
        out.push_str(&prefixed("", &ran.stdout));
        out.push_str(&prefixed("! ", &ran.stderr));
        writeln!(out, "-> {}\n", ran.status.code().unwrap()).unwrap();
    }
    out
}

#[test]
fn sessions_go_as_written() {
    let folder = root().join("tests/cases/cli");
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "session") {
            continue;
        }
        seen += 1;
        let wanted = std::fs::read_to_string(&path).unwrap();
        let got = played(&wanted);
        if update {
            std::fs::write(&path, &got).unwrap();
        } else if got != wanted {
            let at = got.lines().zip(wanted.lines()).position(|(g, w)| g != w);
            let at = at.unwrap_or(got.lines().count().min(wanted.lines().count()));
            let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
            wrong.push(format!(
                "{}:{}\n  wanted {}\n  got    {}",
                path.display(),
                at + 1,
                line(&wanted),
                line(&got)
            ));
        }
    }
    assert!(seen >= 3, "the sessions were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reference_is_the_help() {
    let wanted = reference::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join("docs/cli.md"), &wanted).unwrap();
    }
    assert_eq!(read("docs/cli.md"), wanted, "UPDATE_DOCS=1 rewrites it");
}

/// A10: the sentence is the same bytes in every form of the answer.
#[test]
fn the_sentence_is_the_same_in_every_form() {
    for file in [
        "healthy.csv",
        "regressed.csv",
        "short.csv",
        "both_degrade.csv",
    ] {
        let judged = |format: &str| {
            let ran = command(HALDANE)
                .args(["judge", "--csv", file, "-o", format])
                .output()
                .unwrap();
            String::from_utf8(ran.stdout).unwrap()
        };
        let json: serde_json::Value = serde_json::from_str(&judged("json")).unwrap();
        let sentence = json["reason"].as_str().unwrap();
        for format in ["table", "markdown"] {
            let text = judged(format);
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            assert!(lines.contains(&sentence), "{sentence}\n{text}");
        }
    }
}

/// No colour reaches a file unless it is asked for, and `NO_COLOR` is not asking.
#[test]
fn colour_is_for_terminals() {
    let escapes = |args: &[&str], no_color: &str| {
        let mut judge = command(HALDANE);
        judge
            .args(["judge", "--csv", "regressed.csv"])
            .args(args)
            .env("NO_COLOR", no_color);
        judge.output().unwrap().stdout.contains(&0x1b)
    };
    for (args, no_color, wanted) in [
        (&[][..], "", false),
        (&[][..], "1", false),
        (&["--color", "always"][..], "", true),
        (&["--color", "never"][..], "", false),
    ] {
        assert_eq!(escapes(args, no_color), wanted, "{args:?} {no_color}");
    }
}

/// `| head -1`: the reader leaves, the command ends with its own code and says nothing.
#[test]
fn a_closed_pipe_is_no_fault() {
    for (args, code) in [
        (&["openapi"][..], 0),
        (&["schema"][..], 0),
        (&["--help"][..], 0),
        (&["judge", "--csv", "regressed.csv", "--explain"][..], 1),
        (&["lint", "templates"][..], 1),
    ] {
        let mut child = command(HALDANE)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(
            (ended.status.code(), said.as_ref()),
            (Some(code), ""),
            "{args:?}"
        );
    }
}

/// Ctrl-C ends a command that waits for something that never comes, at once and with 130.
#[test]
fn an_interrupt_ends_a_waiting_command() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let cases = [
        vec!["wait", "x", "--server", &server],
        vec![
            "judge",
            "-t",
            "templates/good.yaml",
            "--prometheus",
            &server,
            "--baseline",
            "track=\"a\"",
            "--canary",
            "track=\"b\"",
        ],
    ];
    for args in cases {
        let child = command(HALDANE)
            .args(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It has asked, so it waits for the answer.
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1]).unwrap() > 0);
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130), "{args:?}");
    }
}

/// The demo takes the signal too, and leaves no folder behind.
#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    use std::io::{BufRead as _, BufReader};
    let temp = tempfile::tempdir().unwrap();
    let mut child = command(HALDANE)
        .args(["demo", "--speed", "1"])
        .env("TMPDIR", temp.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("daemon on http://"), "{line}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_on_a_taken_port_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let ran = command(HALDANE)
        .args(["demo", "--listen", &taken])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(4), "{said}");
    assert!(said.contains(&taken), "{said}");
}

/// Two lines per analysis on a narrow terminal, one on a wide one; and what one shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_analyses_fits_the_width() {
    let scenario = read("simulations/demo.yaml");
    let site = Site::simulated(&scenario);
    site.template("demo", &read("simulations/demo-template.yaml"));
    let daemon = site.start().await;
    let server = ["--server", daemon.url()];
    let none = haldane(&[&["status"][..], &server].concat()).await;
    none.check(0, &["no analyses"]);
    let flags = [
        "submit",
        "-t",
        "demo-service",
        "--service",
        "checkout",
        "--revision",
        "v42",
        "--input",
        "service=checkout",
        "--baseline",
        "track=\"stable\"",
        "--canary",
        "track=\"canary\"",
        "--traffic-share",
        "25%",
    ];
    let submitted = haldane(&[&flags[..], &server].concat()).await;
    submitted.check(0, &[]);
    let id = submitted.out.trim().to_owned();
    for (width, lines) in [(80, 3), (200, 2)] {
        let ran = command(HALDANE)
            .args(["status", server[0], server[1]])
            .env("COLUMNS", width.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(text.lines().all(|l| l.chars().count() <= width), "{text}");
        assert!(
            text.contains(&id) && text.contains("checkout v42"),
            "{text}"
        );
    }
    let one = haldane(&[&["status", &id][..], &server].concat()).await;
    one.check(
        0,
        &["PENDING  checkout v42  look 0 of 30", "next look in", &id],
    );
    let late = ["wait", &id, "--timeout", "1s"];
    let late = haldane(&[&late[..], &server].concat()).await;
    late.check(3, &["no verdict within --timeout 1s"]);
    daemon.stop().await;
}
