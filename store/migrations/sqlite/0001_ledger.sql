-- The ledger. Times are text, UTC, YYYY-MM-DDTHH:MM:SS.ffffffZ, so that they
-- compare as text. Columns of type BLOB hold sealed values or keyed hashes.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;

CREATE TABLE callbacks (
  id                  TEXT PRIMARY KEY,
  clinic              TEXT NOT NULL CHECK (clinic <> ''),
  source              TEXT NOT NULL,
  source_id           TEXT NOT NULL,
  received_at         TEXT NOT NULL,
  captured_at         TEXT NOT NULL,
  asked_at            TEXT,
  caller_name         BLOB,
  caller_phone        BLOB,
  caller_phone_hash   BLOB,
  caller_email        BLOB,
  caller_birth_date   BLOB,
  patient_mrn         BLOB,
  patient_ehr_id      BLOB,
  patient_candidate   BLOB,
  patient_chart_hash  BLOB, -- of the chart that is known, or else of the candidate
  resolution          TEXT NOT NULL CHECK (resolution IN ('', 'certain', 'ambiguous', 'none')),
  resolved_how        TEXT NOT NULL,
  resolution_tried_at TEXT,
  new_patient         TEXT NOT NULL CHECK (new_patient IN ('', 'yes', 'no')),
  category            TEXT NOT NULL,
  priority            TEXT NOT NULL CHECK (priority IN ('routine', 'urgent', 'asap', 'stat')),
  request_text        BLOB,
  preferred           TEXT,
  visit_kind          TEXT NOT NULL,
  status              TEXT NOT NULL
    CHECK (status IN ('captured', 'triaged', 'assigned', 'in-progress', 'waiting', 'closed')),
  outcome             TEXT NOT NULL,
  owner               TEXT NOT NULL,
  due_at              TEXT,
  repeats             INTEGER NOT NULL CHECK (repeats >= 0),
  review              INTEGER NOT NULL CHECK (review IN (0, 1)),
  revision            INTEGER NOT NULL CHECK (revision > 0),
  closed_at           TEXT,
  reopened_at         TEXT,
  updated_at          TEXT NOT NULL,
  row_version         INTEGER NOT NULL CHECK (row_version > 0), -- moves with every change, the revision does not
  CONSTRAINT closed_has_time CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
  CONSTRAINT closed_has_outcome CHECK ((status = 'closed') = (outcome <> '')),
  CONSTRAINT certain_has_chart CHECK (resolution <> 'certain' OR patient_ehr_id IS NOT NULL),
  CONSTRAINT phone_has_hash CHECK ((caller_phone IS NULL) = (caller_phone_hash IS NULL)),
  CONSTRAINT chart_has_hash CHECK ((patient_ehr_id IS NULL AND patient_candidate IS NULL) = (patient_chart_hash IS NULL))
) STRICT;
CREATE INDEX callbacks_by_clinic ON callbacks (clinic, id);
CREATE INDEX callbacks_open ON callbacks (clinic, id) WHERE closed_at IS NULL;
CREATE INDEX callbacks_in_review ON callbacks (clinic, id) WHERE review;
CREATE INDEX callbacks_by_phone ON callbacks (clinic, caller_phone_hash, id);
CREATE INDEX callbacks_by_patient ON callbacks (clinic, patient_chart_hash, id);
CREATE INDEX callbacks_tally ON callbacks (clinic, status, outcome, category, review);

-- The timeline: it only ever grows.
CREATE TABLE callback_events (
  callback_id TEXT NOT NULL REFERENCES callbacks (id),
  seq         INTEGER NOT NULL CHECK (seq > 0),
  clinic      TEXT NOT NULL,
  at          TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind <> ''),
  by_kind     TEXT NOT NULL,
  by_name     TEXT NOT NULL,
  from_status TEXT NOT NULL,
  to_status   TEXT NOT NULL,
  revision    INTEGER NOT NULL CHECK (revision > 0),
  detail      TEXT NOT NULL,
  note        BLOB,
  PRIMARY KEY (callback_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER callback_events_no_update BEFORE UPDATE ON callback_events
BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END;
CREATE TRIGGER callback_events_no_delete BEFORE DELETE ON callback_events
BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END;

CREATE TABLE attempts (
  callback_id TEXT NOT NULL REFERENCES callbacks (id),
  id          TEXT NOT NULL,
  clinic      TEXT NOT NULL,
  position    INTEGER NOT NULL,
  at          TEXT NOT NULL,
  by_kind     TEXT NOT NULL,
  by_name     TEXT NOT NULL,
  channel     TEXT NOT NULL,
  result      TEXT NOT NULL CHECK (result <> ''),
  talk_ns     INTEGER NOT NULL,
  note        BLOB,
  PRIMARY KEY (callback_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
  callback_id TEXT NOT NULL REFERENCES callbacks (id),
  ehr         TEXT NOT NULL,
  appointment TEXT NOT NULL,
  clinic      TEXT NOT NULL,
  position    INTEGER NOT NULL,
  verdict     TEXT NOT NULL CHECK (verdict IN ('exact', 'strong', 'weak', 'none')),
  reasons     TEXT,
  sentence    TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('credited', 'shown', 'revoked', 'refused')),
  at          TEXT NOT NULL,
  PRIMARY KEY (callback_id, ehr, appointment),
  CONSTRAINT only_strong_evidence_closes CHECK (state <> 'credited' OR verdict IN ('exact', 'strong'))
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_by_appointment ON evidence (clinic, ehr, appointment);
-- An appointment answers one callback.
CREATE UNIQUE INDEX evidence_credited_once ON evidence (clinic, ehr, appointment) WHERE state = 'credited';

CREATE TABLE links (
  id              TEXT PRIMARY KEY,
  clinic          TEXT NOT NULL,
  callback_id     TEXT NOT NULL REFERENCES callbacks (id),
  position        INTEGER NOT NULL,
  ehr             TEXT NOT NULL CHECK (ehr <> ''),
  type            TEXT NOT NULL CHECK (type <> ''),
  remote_id       TEXT NOT NULL,
  remote_version  TEXT NOT NULL,
  holds           INTEGER NOT NULL CHECK (holds >= 0),
  wanted          INTEGER NOT NULL, -- the callback's revision, so that lag can be indexed
  state           TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'synced', 'stuck', 'discarded')),
  base            TEXT NOT NULL,
  last_error      TEXT NOT NULL,
  hint            TEXT NOT NULL,
  failures        INTEGER NOT NULL CHECK (failures >= 0),
  next_attempt_at TEXT,
  lock            INTEGER NOT NULL CHECK (lock >= 0),
  created_at      TEXT NOT NULL,
  updated_at      TEXT NOT NULL,
  CONSTRAINT holds_what_was_there CHECK (holds <= wanted),
  CONSTRAINT synced_has_remote_id CHECK (state <> 'synced' OR remote_id <> '')
) STRICT;
CREATE INDEX links_by_callback ON links (callback_id);
CREATE INDEX links_by_clinic ON links (clinic, id);
CREATE INDEX links_by_state ON links (state, id);
-- One resource has one writer.
CREATE UNIQUE INDEX links_by_remote ON links (ehr, type, remote_id) WHERE remote_id <> '';
CREATE INDEX links_lagging ON links (id) WHERE holds < wanted AND state NOT IN ('stuck', 'discarded');

-- The appointments that staff tied to a link's item (in base), so that one that is
-- seen later finds its callback.
CREATE TABLE link_appointments (
  link_id     TEXT NOT NULL REFERENCES links (id),
  appointment TEXT NOT NULL,
  callback_id TEXT NOT NULL,
  clinic      TEXT NOT NULL,
  ehr         TEXT NOT NULL,
  PRIMARY KEY (link_id, appointment)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_appointments_by_appointment ON link_appointments (clinic, ehr, appointment, callback_id);

CREATE TABLE arrivals (
  id          TEXT PRIMARY KEY,
  clinic      TEXT NOT NULL CHECK (clinic <> ''),
  source      TEXT NOT NULL CHECK (source <> ''),
  source_id   TEXT NOT NULL CHECK (source_id <> ''),
  received_at TEXT NOT NULL,
  stored_at   TEXT NOT NULL,
  body        BLOB,
  content_hash BLOB,
  disposition TEXT NOT NULL CHECK (disposition IN ('created', 'merged', 'ignored')),
  reason      TEXT NOT NULL,
  callback_id TEXT REFERENCES callbacks (id),
  UNIQUE (clinic, source, source_id),
  CONSTRAINT callback_unless_ignored CHECK ((disposition = 'ignored') = (callback_id IS NULL)),
  CONSTRAINT reason_if_ignored CHECK ((disposition = 'ignored') = (reason <> ''))
) STRICT;
CREATE INDEX arrivals_by_callback ON arrivals (callback_id);

CREATE TABLE feeds (
  clinic       TEXT NOT NULL,
  ehr          TEXT NOT NULL,
  feed         TEXT NOT NULL,
  watermark    TEXT,
  last_attempt TEXT,
  last_success TEXT,
  last_error   TEXT NOT NULL,
  PRIMARY KEY (clinic, ehr, feed)
) STRICT, WITHOUT ROWID;

CREATE TABLE pages (
  id         TEXT PRIMARY KEY,
  clinic     TEXT NOT NULL,
  ehr        TEXT NOT NULL,
  feed       TEXT NOT NULL,
  fetched_at TEXT NOT NULL,
  not_before TEXT,
  baseline   INTEGER NOT NULL CHECK (baseline IN (0, 1)),
  body       BLOB,
  problem    TEXT NOT NULL,
  done_at    TEXT
) STRICT;
CREATE INDEX pages_done ON pages (ehr, feed, done_at) WHERE done_at IS NOT NULL;
CREATE INDEX pages_pending ON pages (ehr, feed, id) WHERE done_at IS NULL;

CREATE TABLE appointments (
  clinic       TEXT NOT NULL,
  ehr          TEXT NOT NULL,
  id           TEXT NOT NULL,
  version      TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state <> ''),
  patient      BLOB,
  patient_hash BLOB,
  patients     INTEGER NOT NULL CHECK (patients >= 0),
  starts_at    TEXT,
  ends_at      TEXT,
  booked_at    TEXT,
  kinds        TEXT,
  markers      TEXT,
  tasks        TEXT,
  changed_at   TEXT,
  not_before   TEXT,
  first_seen   TEXT,
  PRIMARY KEY (clinic, ehr, id),
  CONSTRAINT patient_has_hash CHECK ((patient IS NULL) = (patient_hash IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX appointments_by_patient ON appointments (clinic, ehr, patient_hash);

CREATE TABLE appointment_markers (
  clinic         TEXT NOT NULL,
  ehr            TEXT NOT NULL,
  marker         TEXT NOT NULL,
  appointment_id TEXT NOT NULL,
  PRIMARY KEY (clinic, ehr, marker, appointment_id),
  FOREIGN KEY (clinic, ehr, appointment_id) REFERENCES appointments (clinic, ehr, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX appointment_markers_by_appointment ON appointment_markers (clinic, ehr, appointment_id);

CREATE TABLE tokens (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL CHECK (name <> ''),
  role       TEXT NOT NULL CHECK (role IN ('intake', 'staff', 'admin')),
  hash       TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  created_at TEXT NOT NULL,
  revoked_at TEXT
) STRICT;
CREATE UNIQUE INDEX tokens_valid_name ON tokens (name) WHERE revoked_at IS NULL;
