-- Where the window of appointments ended that was shown in full last.
ALTER TABLE feeds ADD COLUMN covered TEXT;
