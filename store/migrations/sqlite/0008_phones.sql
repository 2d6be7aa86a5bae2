-- What phone systems told, as they told it. Stored before it is acknowledged.
CREATE TABLE phone_events (
  id      TEXT PRIMARY KEY,
  clinic  TEXT NOT NULL CHECK (clinic <> ''),
  phone   TEXT NOT NULL CHECK (phone <> ''),
  key     TEXT NOT NULL CHECK (key <> ''), -- the same when the vendor sends it again
  form    TEXT NOT NULL,
  at      TEXT NOT NULL,
  body    BLOB,
  read_at TEXT,
  problem TEXT NOT NULL,
  skip    TEXT NOT NULL,
  UNIQUE (clinic, phone, key)
) STRICT;
CREATE INDEX phone_events_unread ON phone_events (clinic, phone, id) WHERE read_at IS NULL;
CREATE INDEX phone_events_problem ON phone_events (clinic, phone, id) WHERE problem <> '';

-- One row per call of a phone system, with what became of it.
CREATE TABLE calls (
  clinic      TEXT NOT NULL CHECK (clinic <> ''),
  phone       TEXT NOT NULL CHECK (phone <> ''),
  session     TEXT NOT NULL CHECK (session <> ''),
  form        TEXT NOT NULL, -- of the first event
  verdict     TEXT NOT NULL,
  reasons     TEXT,
  caller      BLOB,
  caller_name BLOB,
  called      BLOB,
  message     BLOB,
  number      BLOB, -- E.164 of the other end
  number_hash BLOB,
  started_at  TEXT NOT NULL,
  answered_at TEXT,
  ended_at    TEXT,
  talk_ns     INTEGER NOT NULL CHECK (talk_ns >= 0),
  callback_id TEXT REFERENCES callbacks (id),
  disposition TEXT NOT NULL CHECK (disposition IN ('', 'created', 'merged', 'ignored')),
  why         TEXT NOT NULL,
  settled_by  TEXT NOT NULL,
  settled_how TEXT NOT NULL,
  settles_at  TEXT,
  last_at     TEXT NOT NULL,
  judged_at   TEXT,
  lock        INTEGER NOT NULL CHECK (lock > 0),
  PRIMARY KEY (clinic, phone, session),
  CONSTRAINT number_has_hash CHECK ((number IS NULL) = (number_hash IS NULL)),
  CONSTRAINT judged_has_verdict CHECK ((judged_at IS NULL) = (verdict = '')),
  -- A call without a callback says why it has none.
  CONSTRAINT callback_or_reason CHECK (judged_at IS NULL OR callback_id IS NOT NULL OR why <> '')
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_unsettled ON calls (clinic, phone, settles_at) WHERE settles_at IS NOT NULL;
CREATE INDEX calls_by_start ON calls (started_at, clinic, phone, session);
CREATE INDEX calls_by_clinic ON calls (clinic, started_at, phone, session);
CREATE INDEX calls_by_phone ON calls (phone, started_at, clinic, session);
CREATE INDEX calls_unjudged ON calls (started_at, clinic, phone, session) WHERE judged_at IS NULL;
CREATE INDEX calls_by_number ON calls (clinic, number_hash, started_at);
CREATE INDEX calls_by_callback ON calls (callback_id, started_at, clinic, phone, session) WHERE callback_id IS NOT NULL;
CREATE INDEX calls_tally ON calls (clinic, phone, verdict, form);

CREATE TABLE call_events (
  clinic   TEXT NOT NULL,
  phone    TEXT NOT NULL,
  session  TEXT NOT NULL,
  event_id TEXT NOT NULL REFERENCES phone_events (id),
  PRIMARY KEY (clinic, phone, session, event_id),
  FOREIGN KEY (clinic, phone, session) REFERENCES calls (clinic, phone, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_events_by_event ON call_events (event_id);

CREATE TABLE phones (
  clinic          TEXT NOT NULL,
  phone           TEXT NOT NULL,
  reconciled      TEXT,
  last_attempt    TEXT,
  last_error      TEXT NOT NULL,
  subscription_id TEXT NOT NULL,
  subscribed_till TEXT,
  renew_at        TEXT,
  PRIMARY KEY (clinic, phone)
) STRICT, WITHOUT ROWID;
