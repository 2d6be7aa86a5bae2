-- What is asked for by itself in an EHR, and when it is due.
CREATE TABLE watches (
  ehr           TEXT NOT NULL CHECK (ehr <> ''),
  kind          TEXT NOT NULL CHECK (kind IN ('patient', 'chart', 'visit', 'vanished', 'item')),
  subject       TEXT NOT NULL CHECK (subject <> ''),
  clinic        TEXT NOT NULL CHECK (clinic <> ''),
  patient_hash  BLOB, -- whose, of the kinds patient and chart
  since         TEXT NOT NULL,
  due_at        TEXT NOT NULL,
  seen_at       TEXT,
  asked         INTEGER NOT NULL CHECK (asked >= 0),
  missing_since TEXT,
  last_error    TEXT NOT NULL,
  PRIMARY KEY (ehr, kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX watches_due ON watches (ehr, kind, due_at, subject);
CREATE INDEX watches_by_patient ON watches (ehr, kind, patient_hash, seen_at);

-- The EHR's clock against ours, in nanoseconds.
ALTER TABLE feeds ADD COLUMN skew_ns INTEGER NOT NULL DEFAULT 0;

-- What stands in a window.
CREATE INDEX appointments_by_start ON appointments (clinic, ehr, starts_at);
-- Which visits closed callbacks.
CREATE INDEX evidence_credited ON evidence (clinic, ehr) WHERE state = 'credited';
