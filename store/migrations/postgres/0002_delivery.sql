-- What the last write of a link wants, stored before it is sent.
ALTER TABLE links ADD COLUMN sent TEXT NOT NULL DEFAULT '{}';
ALTER TABLE links ADD COLUMN sent_revision BIGINT NOT NULL DEFAULT 0 CHECK (sent_revision >= 0);
ALTER TABLE links ADD COLUMN sent_at TIMESTAMPTZ;

-- When staff did it, by the EHR's clock.
ALTER TABLE callback_events ADD COLUMN ehr_at TIMESTAMPTZ;

-- How each EHR answers, and whose turn it is.
CREATE TABLE connections (
  clinic     TEXT NOT NULL,
  ehr        TEXT NOT NULL CHECK (ehr <> ''),
  failures   BIGINT NOT NULL CHECK (failures >= 0),
  last_by    TEXT NOT NULL,
  since      TIMESTAMPTZ,
  until      TIMESTAMPTZ,
  error      TEXT NOT NULL,
  hint       TEXT NOT NULL,
  told       TIMESTAMPTZ,
  PRIMARY KEY (ehr)
);

CREATE TABLE slots (
  ehr       TEXT PRIMARY KEY CHECK (ehr <> ''),
  next_slot TIMESTAMPTZ NOT NULL
);
