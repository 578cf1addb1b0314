-- A signal about a youth is kept until a birthday at most (Jeugdwet art. 7.1.4.5). Only the resolver reads birth dates, so it writes the day down where it
-- files the signal: only when that day comes before the end of its retention, for it says when somebody was born (I9).
ALTER TABLE signal_homes ADD COLUMN ends_on date;
COMMENT ON COLUMN signal_homes.ends_on IS 'From this day it lives nowhere: whom it names is too old. None: its retention ends no later.';
-- Query: which signals are past their end and still live somewhere, or wait to be erased.
CREATE INDEX signal_homes_ends ON signal_homes (ends_on) WHERE ends_on IS NOT NULL;
