-- Up to when a feed was read late enough for all changes to have shown.
ALTER TABLE feeds ADD COLUMN settled TEXT;
