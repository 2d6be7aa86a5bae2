-- What writes of unknown outcome want of a link's item, stored before they are sent.
ALTER TABLE links ADD COLUMN sent TEXT;
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
-- Those that fail, and those whose recovery nobody was told.
CREATE INDEX connections_troubled ON connections (ehr) WHERE since IS NOT NULL OR told IS NOT NULL;

-- So that one EHR's many do not hide another's few.
DROP INDEX links_lagging;
CREATE INDEX links_lagging ON links (ehr, id) WHERE holds < wanted AND state NOT IN ('stuck', 'discarded');
