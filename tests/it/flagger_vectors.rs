//! The vectors of Flagger and Spinnaker against a daemon that asks for credentials: none of them
//! is left out, and every text is one that Flagger can put into an event.

use crate::conformance::{cases, conform, site};

const CONTROLLERS: [&str; 4] = [
    "flagger-hooks",
    "flagger-gates",
    "spinnaker-webhook",
    "spinnaker-monitor",
];

#[tokio::test]
async fn with_credentials_no_vector_is_left_out() {
    let mut site = site();
    let token = site.path("canary.token");
    std::fs::write(&token, "s3cr3t").unwrap();
    let token = token.display().to_string();
    site.configure(&format!(
        "[[server.credentials]]\nauthor = \"canary\"\ntoken = \"file:{token}\"\n\
         right = \"override\"\n"
    ));
    let daemon = site.start().await;
    let mut args = vec!["-o", "json", "--token-file", &token];
    args.extend(CONTROLLERS.iter().flat_map(|name| ["--only", name]));
    let said = conform(&daemon, &args).await;
    let document = said.json();
    let mut count = 0;
    for (controller, case) in cases(&document) {
        assert_eq!(case["result"], "ok", "{controller} {case:#}");
        let body = case["answer"]["body"].as_str().unwrap();
        if case["answer"]["type"]
            .as_str()
            .unwrap()
            .starts_with("text/plain")
        {
            assert!(body.chars().count() <= 200, "{case:#}");
            assert!(!body.contains(['\n', '\r']), "{case:#}");
        }
        count += 1;
    }
    assert!(count >= 65, "{count} vectors");
    assert_eq!(said.code, Some(0), "{said:?}");
    daemon.stop().await;
}
