-- What is asked for by itself in an EHR, and when it is due.
CREATE TABLE watches (
  ehr           TEXT NOT NULL CHECK (ehr <> ''),
  kind          TEXT NOT NULL CHECK (kind IN ('patient', 'chart', 'visit', 'vanished', 'item')),
  subject       TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
  clinic        TEXT NOT NULL CHECK (clinic <> ''),
  patient_hash  BYTEA, -- whose, of the kinds patient and chart
  since         TIMESTAMPTZ NOT NULL,
  due_at        TIMESTAMPTZ NOT NULL,
  seen_at       TIMESTAMPTZ,
  asked         BIGINT NOT NULL CHECK (asked >= 0),
  missing_since TIMESTAMPTZ,
  last_error    TEXT NOT NULL,
  PRIMARY KEY (ehr, kind, subject)
);
CREATE INDEX watches_due ON watches (ehr, kind, due_at, subject);
CREATE INDEX watches_by_patient ON watches (ehr, kind, patient_hash, seen_at);

-- The EHR's clock against ours, in nanoseconds.
ALTER TABLE feeds ADD COLUMN skew_ns BIGINT NOT NULL DEFAULT 0;

-- What stands in a window.
CREATE INDEX appointments_by_start ON appointments (clinic, ehr, starts_at);
-- Which visits closed callbacks.
CREATE INDEX evidence_credited ON evidence (clinic, ehr) WHERE state = 'credited';
