-- The decision log: append-only, one row per record. docs/storage.md explains every column.
CREATE TABLE record (
    seq       INTEGER PRIMARY KEY CHECK (seq > 0),
    analysis  TEXT    NOT NULL,
    at_ms     INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    format    INTEGER NOT NULL,
    semantics INTEGER NOT NULL,
    digest    BLOB    NOT NULL CHECK (length(digest) = 32),
    body      BLOB    NOT NULL
) STRICT;

-- Everything of one analysis, in order.
CREATE INDEX record_analysis ON record (analysis, seq);

-- What a restart reads: which analyses are still under way, and the last judgement of the others.
CREATE INDEX record_kind ON record (kind, analysis, seq);

CREATE TRIGGER record_is_never_changed BEFORE UPDATE ON record
BEGIN
    SELECT RAISE(ABORT, 'the decision log is append-only');
END;

CREATE TRIGGER record_is_never_removed BEFORE DELETE ON record
BEGIN
    SELECT RAISE(ABORT, 'the decision log is append-only');
END;
