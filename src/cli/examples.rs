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

/// `haldane wait`
pub(super) const WAIT: &str = "\
Examples:
  haldane wait 0193c5f0a1b27c3d8e4f5061728394a5 --timeout 45m --inconclusive-as rollback";

/// `haldane cancel`
pub(super) const CANCEL: &str = "\
Examples:
  haldane cancel 0193c5f0a1b27c3d8e4f5061728394a5 --reason 'rollout abandoned' --author ada";

/// `haldane override`
pub(super) const OVERRIDE: &str = "\
Examples:
  haldane override 0193c5f0a1b27c3d8e4f5061728394a5 rollback --reason 'incident 4711' --author ada";

/// `haldane lint`
pub(super) const LINT: &str = "\
Examples:
  haldane lint analysis-templates
  haldane lint --deny-warnings --output github analysis-templates/*.yaml

Exit codes: 0 clean, 1 errors, 2 a file is unreadable, 3 only warnings, with --deny-warnings";

/// `haldane evaluate`
pub(super) const EVALUATE: &str = "\
Examples:
  haldane evaluate --generators reference --judge mann-whitney,kayenta-each --runs 250
  haldane evaluate --generators iid,ar.6 --shift 10%,25% --onset 20 --metrics 10 -o markdown
  haldane evaluate --pairs manifest.json --judge mann-whitney --verdicts verdicts.jsonl
  haldane evaluate --pairs manifest.json --roc -o json";

/// `haldane config`
pub(super) const CONFIG: &str = "\
Examples:
  haldane config > haldane.toml";

/// `haldane schema`
pub(super) const SCHEMA: &str = "\
Examples:
  haldane schema > template.schema.json
      then, as the first line of a template:
      # yaml-language-server: $schema=template.schema.json";

/// `haldane openapi`
pub(super) const OPENAPI: &str = "\
Examples:
  haldane openapi > openapi.json";

/// `haldane completions`
pub(super) const COMPLETIONS: &str = "\
Examples:
  haldane completions bash > ~/.local/share/bash-completion/completions/haldane";
