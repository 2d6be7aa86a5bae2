-- How exact booked_at is, in nanoseconds, and when the version was changed that was seen first.
ALTER TABLE appointments ADD COLUMN booked_span_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE appointments ADD COLUMN first_changed TIMESTAMPTZ;

-- In whose place it was booked, whether it is made up for testing, and how it was before.
ALTER TABLE appointments ADD COLUMN replaces TEXT;
ALTER TABLE appointments ADD COLUMN test BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE appointments ADD COLUMN history TEXT;
