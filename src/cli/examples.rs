//! What stands under `haldane COMMAND --help`: lines that can be copied.

/// `haldane demo`
pub(super) const DEMO: &str = "\
Examples:
  haldane demo
  haldane demo --keep --listen 127.0.0.1:7070";

/// `haldane serve`
pub(super) const SERVE: &str = "\
Examples:
  haldane serve --prometheus http://prometheus:9090 --templates analysis-templates
  haldane serve --config haldane.toml";

/// `haldane judge`
pub(super) const JUDGE: &str = "\
Examples:
  haldane judge --csv pair.csv --harm increase --min-effect 10%
  haldane judge --csv pair.csv --output html > report.html
  haldane judge -t http-service.yaml --input service=checkout --prometheus http://prometheus:9090 \\
    --baseline 'track=\"stable\"' --canary 'pod=~\"checkout-v2-.*\"' --start -30m --explain";

/// `haldane submit`
pub(super) const SUBMIT: &str = "\
Examples:
  haldane submit -t http-service --service checkout --revision v2 --input service=checkout \\
    --baseline 'track=\"stable\"' --canary 'track=\"canary\"' --traffic-share 10% --wait
  haldane submit -t my-template.yaml --service checkout --deploy-id build-4711 \\
    --baseline 'track=\"stable\"' --canary 'track=\"canary\"' \\
    --webhook https://hooks.example.org/haldane --webhook-key argo";

/// `haldane status`
pub(super) const STATUS: &str = "\
Examples:
  haldane status
  haldane status 0193c5f0a1b27c3d8e4f5061728394a5 --output markdown";

/// `haldane report`
pub(super) const REPORT: &str = "\
Examples:
  haldane report 0193c5f0a1b27c3d8e4f5061728394a5 -o report.html
  haldane report 0193c5f0a1b27c3d8e4f5061728394a5 --format markdown >> summary.md
  haldane report 0193c5f0a1b27c3d8e4f5061728394a5 --format svg --metric latency-p99 -o p99.svg
  haldane report --csv pair.csv --min-effect 10% -o report.html";

/// `haldane wait`
pub(super) const WAIT: &str = "\
Examples:
  haldane wait 0193c5f0a1b27c3d8e4f5061728394a5 --timeout 45m --inconclusive-as rollback
  haldane wait 0193c5f0a1b27c3d8e4f5061728394a5 --junit verdict.xml --summary summary.md";

/// `haldane cancel`
pub(super) const CANCEL: &str = "\
Examples:
  haldane cancel 0193c5f0a1b27c3d8e4f5061728394a5 --reason 'rollout abandoned' --author ada";

/// `haldane freeze`
pub(super) const FREEZE: &str = "\
Examples:
  haldane freeze add --environment production --until 2h --reason 'incident 4711' --author ada
  haldane freeze list
  haldane freeze lift freeze-0193c5f0a1b27c3d8e4f5061728394a5 --reason resolved --author ada";

/// `haldane deliveries`
pub(super) const DELIVERIES: &str = "\
Examples:
  haldane deliveries list --state dead
  haldane deliveries list 0193c5f0a1b27c3d8e4f5061728394a5
  haldane deliveries redeliver msg_2f1a90c3b7d84e5f6071829304 --author ada";

/// `haldane override`
pub(super) const OVERRIDE: &str = "\
Examples:
  haldane override 0193c5f0a1b27c3d8e4f5061728394a5 rollback --reason 'incident 4711' --author ada";

/// `haldane record`
pub(super) const RECORD: &str = "\
Examples:
  haldane record -t http-service.yaml --service checkout --input service=checkout \\
    --baseline 'track=\"stable\"' --canary 'track=\"canary\"' \\
    --start 2026-03-01T12:00:00Z --prometheus http://prometheus:9090 --to checkout.haldane.parquet
  haldane record -t http-service.yaml --list rollouts.csv --prometheus http://prometheus:9090 \\
    --to recordings/
  haldane record 0193c5f0a1b27c3d8e4f5061728394a5 --server http://haldane:7070

A list is CSV with a head, or YAML (a list of maps). Columns: service, start, baseline, canary,
duration, deploy_id, revision, commit, environment, traffic_share, input.NAME, name, label, onset.
What a line leaves out is taken from the flags.";

/// `haldane replay`
pub(super) const REPLAY: &str = "\
Examples:
  haldane replay checkout.haldane.parquet
  haldane replay checkout.haldane.parquet --template new.yaml --diff
  haldane replay checkout.haldane.parquet --judge mann-whitney --as-of +12m
  haldane replay recordings/ --jobs 4 --html quarter.html
  haldane replay @recordings/index.csv --template new.yaml -o markdown
  haldane replay @index.csv --shard 0/2 -o jsonl --to part-0.jsonl
  haldane replay --merge part-0.jsonl part-1.jsonl

Exit codes: 0 the same verdict, 1 a difference (under another template: with --diff only),
2 a recording is unreadable. A part (-o jsonl) ends with 0 once it is written; --merge tells.";

/// `haldane lint`
pub(super) const LINT: &str = "\
Examples:
  haldane lint analysis-templates
  haldane lint --explain C012
  haldane lint --deny-warnings --output github analysis-templates/*.yaml
  haldane lint checkout.yaml --prometheus http://127.0.0.1:9090 --input service=checkout \\
      --baseline 'track=\"stable\"' --canary 'track=\"canary\"'

Exit codes: 0 clean, 1 errors, 2 a file is unreadable, 3 only warnings, with --deny-warnings,\n\
4 the server cannot be reached";

/// `haldane import`
pub(super) const IMPORT: &str = "\
Examples:
  haldane import kayenta canary-config.json -o checkout.yaml
  haldane import kayenta canary-config.json --judge kayenta --pass 95 --marginal 75
  kubectl get analysistemplates -o yaml | haldane import argo - -o templates/ --notes notes.md
  haldane import flagger canary.yaml metric-templates.yaml --provider nginx -o podinfo.yaml

Exit codes: 0 everything was imported, 2 nothing could be, 3 something could not be; the notes say
what";

/// `haldane test`
pub(super) const TEST: &str = "\
Examples:
  haldane test
  haldane test analysis-templates/tests/http-service.test.yaml --filter 'rolled back'
  haldane test templates/ --require-tests --junit tests.xml
  haldane test checkout.test.yaml --seeds 200
  haldane test checkout.test.yaml --update

Exit codes: 0 all tests pass, 1 one does not (or --require-tests found a template without any),
2 a file is unreadable or refused";

/// `haldane evaluate`
pub(super) const EVALUATE: &str = "\
Examples:
  haldane evaluate --generators reference --judge mann-whitney,kayenta-each --runs 250
  haldane evaluate --generators iid,ar.6 --shift 10%,25% --onset 20 --metrics 10 -o markdown
  haldane evaluate --pairs manifest.json --judge mann-whitney --verdicts verdicts.jsonl
  haldane evaluate --pairs manifest.json --roc -o json";

/// `haldane simulate`
pub(super) const SIMULATE: &str = "\
Examples:
  haldane simulate
  haldane simulate simulations/s05-missing-secret.yaml --runs 1000 --output markdown
  haldane simulate simulations/s09-one-route.yaml -t my-template.yaml
  haldane simulate simulations/s03-migration.yaml --openmetrics history.om
  haldane simulate simulations/s03-migration.yaml --serve 127.0.0.1:9900 --lead 5m

Exit codes: 0 all requirements met, 1 one is not, 2 a file is unreadable or refused";

/// `haldane tune`
pub(super) const TUNE: &str = "\
Examples:
  haldane tune -t checkout.yaml --prometheus http://prometheus:9090 --input service=checkout \\
    --baseline 'track=\"stable\"' --per pod --history 14d
  haldane tune -t checkout.yaml --prometheus http://prometheus:9090 --input service=checkout \\
    --baseline 'track=\"stable\"' --per pod --pairs 1000 \\
    --max-false-rollback 1% --detect 'errors:+0.5pp within 15m' --write
  haldane tune -t checkout.yaml @recordings/index.csv -o markdown

Exit codes: 0 the template or the proposal is shown to do what is asked, 1 nothing that was tried
does, 2 the question is wrong, 3 too few windows to show it, 4 the server cannot be reached";

/// `haldane keys`
pub(super) const KEYS: &str = "\
Examples:
  haldane keys > argo.whsec
  haldane keys ed25519 --out /etc/haldane/hooks.whsk > hooks.whpk
  haldane keys --public-of file:/etc/haldane/hooks.whsk";

/// `haldane hook-verify`
pub(super) const HOOK_VERIFY: &str = "\
Examples:
  haldane hook-verify body.json --headers-file headers.txt --key file:argo.whsec
  haldane hook-verify body.json --key whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg= \\
    -H 'webhook-id: msg_1' -H 'webhook-timestamp: 1767323045' -H 'webhook-signature: v1a,…'

Exit codes: 0 believed, 1 not believed, 2 nothing could be checked";

/// `haldane config`
pub(super) const CONFIG: &str = "\
Examples:
  haldane config > haldane.toml";

/// `haldane schema`
pub(super) const SCHEMA: &str = "\
Examples:
  haldane schema > template.schema.json
      then, as the first line of a template:
      # yaml-language-server: $schema=template.schema.json
  haldane schema --kind test > template-test.schema.json";

/// `haldane openapi`
pub(super) const OPENAPI: &str = "\
Examples:
  haldane openapi > openapi.json";

/// `haldane completions`
pub(super) const COMPLETIONS: &str = "\
Examples:
  haldane completions bash > ~/.local/share/bash-completion/completions/haldane";

/// `haldane conformance`
pub(super) const CONFORMANCE: &str = "\
Examples:
  haldane conformance http://127.0.0.1:7070
  haldane conformance http://127.0.0.1:7070 --binding shop --template conformance --output junit
  haldane conformance http://127.0.0.1:7070 --only argo-rollouts-web --only KG-2";

/// `haldane dialects`
pub(super) const DIALECTS: &str = "\
Examples:
  haldane dialects
  haldane dialects --config haldane.toml --output markdown";
