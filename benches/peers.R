# The same work in R: one JSON line per measurement, like the Rust benchmark.
# usage: Rscript benches/peers.R N [N ...]

measure <- function(name, call) {
    once <- function(count) {
        begun <- proc.time()[["elapsed"]]
        for (turn in seq_len(count)) call(turn)
        proc.time()[["elapsed"]] - begun
    }
    count <- 1
    while (once(count) < 0.25) count <- count * 2
    times <- replicate(3, once(count)) / count * 1e9
    cat(sprintf(
        '{"name":"%s","ns_per_op":%.1f,"best_ns_per_op":%.1f}\n', name, median(times), min(times)
    ))
}

pairs <- 16
for (n in as.integer(commandArgs(trailingOnly = TRUE))) {
    set.seed(n)
    x <- lapply(seq_len(pairs), function(i) rnorm(n, if (i %% 2) 100 else 105, 10))
    y <- lapply(seq_len(pairs), function(i) rnorm(n, 100, 10))
    test <- function(turn, ...) {
        i <- turn %% pairs + 1
        wilcox.test(x[[i]], y[[i]], exact = FALSE, ...)
    }
    measure(sprintf("r_p/%d", n), function(turn) test(turn))
    measure(sprintf("r_shift_98/%d", n), function(turn) test(turn, conf.int = TRUE, conf.level = 0.98))
}
