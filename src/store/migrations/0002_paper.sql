-- What callers have us keep beside the log: one row per thing, replaced as a whole.
-- docs/storage.md explains every column.
CREATE TABLE paper (
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    at_ms  INTEGER NOT NULL,
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    body   BLOB    NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;
