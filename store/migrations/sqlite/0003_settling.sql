-- From when a write was stored to when its outcome can be seen at the latest. What stands there is earlier, and by
-- the time that this runs long past.
ALTER TABLE links RENAME COLUMN sent_at TO settles_at;
