-- Times are UTC text; digests are BLAKE3 in hexadecimal.
CREATE TABLE datasets (
  name        TEXT PRIMARY KEY,
  publisher   TEXT NOT NULL,            -- public key that signs manifests
  wrapped_key BLOB,                     -- NULL once it is erased
  created     TEXT NOT NULL,
  erased      TEXT
) STRICT;

CREATE TABLE grants (
  dataset TEXT NOT NULL REFERENCES datasets(name),
  issuer  TEXT NOT NULL,
  subject TEXT NOT NULL,
  role    TEXT NOT NULL,
  granted TEXT NOT NULL,
  PRIMARY KEY (dataset, issuer, subject, role)
) STRICT;

CREATE TABLE versions (
  dataset   TEXT NOT NULL REFERENCES datasets(name),
  version   INTEGER NOT NULL,
  state     TEXT NOT NULL,              -- open, published, refused, withdrawn, erased
  manifest  TEXT NOT NULL,
  digest    TEXT NOT NULL,
  signature TEXT NOT NULL,
  schema    TEXT NOT NULL,
  key_bytes INTEGER NOT NULL,
  key_digest TEXT NOT NULL,
  created   TEXT NOT NULL,
  PRIMARY KEY (dataset, version)
) STRICT;

CREATE TABLE chunks (
  dataset TEXT NOT NULL,
  version INTEGER NOT NULL,
  file    TEXT NOT NULL,
  number  INTEGER NOT NULL,
  digest  TEXT NOT NULL,
  PRIMARY KEY (dataset, version, file, number)
) STRICT;

CREATE TABLE jobs (
  id        TEXT PRIMARY KEY,
  dataset   TEXT NOT NULL REFERENCES datasets(name),
  version   INTEGER NOT NULL,
  issuer    TEXT NOT NULL,
  subject   TEXT NOT NULL,
  purpose   TEXT NOT NULL,
  program   TEXT NOT NULL,              -- a record as a result holds it, JSON
  recipient TEXT NOT NULL,              -- age recipient of the released table
  plan      TEXT NOT NULL,
  numbers   INTEGER NOT NULL,
  state     TEXT NOT NULL,              -- queued, running, computed, released, refused, failed, cancelled, expired
  done      INTEGER NOT NULL DEFAULT 0,
  blocks    INTEGER NOT NULL,
  attempts  INTEGER NOT NULL DEFAULT 0,
  code      TEXT,
  detail    TEXT,
  idempotency TEXT NOT NULL,
  request   TEXT NOT NULL,              -- digest of what was submitted
  created   TEXT NOT NULL,
  ended     TEXT,
  UNIQUE (issuer, subject, idempotency)
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, created);
CREATE INDEX jobs_by_dataset ON jobs (dataset, created);

CREATE TABLE audit (
  number  INTEGER PRIMARY KEY,
  dataset TEXT,
  subject TEXT NOT NULL,
  line    TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE heads (
  entries INTEGER PRIMARY KEY,
  head    TEXT NOT NULL
) STRICT;
