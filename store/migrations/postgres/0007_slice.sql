-- How much of the time since the watermark is asked for at once, when the EHR did not manage more.
ALTER TABLE feeds ADD COLUMN slice_ns BIGINT NOT NULL DEFAULT 0;
