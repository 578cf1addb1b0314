-- A foreign key is looked up for each row, and locks the row that it names. Four of those that were left are on tables that every signal writes. What they
-- are for happens once a statement here: whoever files signals looks whether their households are still there, and whoever takes a household away
-- looks whether anything was filed there meanwhile. A lock that filing shares keeps the two apart. It is refused as it was: with the code and the name of the
-- foreign key that was here, so that a process of the release before does it over as well.

-- The strongest locks first: one that is made stronger later waits for who waits for it.
ALTER TABLE signal_homes DROP CONSTRAINT signal_homes_household_id_fkey, DROP CONSTRAINT signal_homes_household_before_fkey;
-- An address is written with its household, in one transaction.
ALTER TABLE address_index DROP CONSTRAINT address_index_household_id_fkey;
-- A receipt is given to who was recognised by a key in this table.
ALTER TABLE signal_receipts DROP CONSTRAINT signal_receipts_partner_id_fkey;

CREATE FUNCTION filed_at_households() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Until this transaction ends no household goes; and one that went meanwhile is seen to be gone.
    PERFORM pg_advisory_xact_lock_shared(x'68756973686f7564'::bigint);
    IF EXISTS (SELECT 1 FROM filed f WHERE f.household_id IS NOT NULL
                 AND (SELECT 1 FROM households h WHERE h.household_id = f.household_id) IS NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a household is gone at which a signal is filed', CONSTRAINT = 'signal_homes_household_id_fkey';
    END IF;
    IF EXISTS (SELECT 1 FROM filed f WHERE f.household_before IS NOT NULL
                 AND (SELECT 1 FROM households h WHERE h.household_id = f.household_before) IS NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a household is gone that a signal moves from', CONSTRAINT = 'signal_homes_household_before_fkey';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION filed_at_households IS 'A signal is filed at a household that there is.';
CREATE TRIGGER households_are_there AFTER INSERT ON signal_homes REFERENCING NEW TABLE AS filed FOR EACH STATEMENT EXECUTE FUNCTION filed_at_households();

-- Who files and stands still is not waited for: the household goes another time.
CREATE FUNCTION households_without_signals() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(x'68756973686f7564'::bigint);
    IF EXISTS (SELECT 1 FROM gone WHERE (SELECT 1 FROM signal_homes h WHERE h.household_id = gone.household_id LIMIT 1) IS NOT NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a signal was filed at a household that goes', CONSTRAINT = 'signal_homes_household_id_fkey';
    END IF;
    IF EXISTS (SELECT 1 FROM gone WHERE (SELECT 1 FROM signal_homes h WHERE h.household_before = gone.household_id LIMIT 1) IS NOT NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a signal moved from a household that goes', CONSTRAINT = 'signal_homes_household_before_fkey';
    END IF;
    IF EXISTS (SELECT 1 FROM gone WHERE (SELECT 1 FROM address_index a WHERE a.household_id = gone.household_id LIMIT 1) IS NOT NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an address leads to a household that goes', CONSTRAINT = 'address_index_household_id_fkey';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION households_without_signals IS 'A household goes when no signal and no address leads to it.';
CREATE TRIGGER nothing_leads_here AFTER DELETE ON households REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION households_without_signals();

-- Nobody takes a partner away; by hand it is refused as before.
CREATE FUNCTION partners_without_signals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM gone WHERE (SELECT 1 FROM signal_receipts r WHERE r.partner_id = gone.partner_id LIMIT 1) IS NOT NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = 'the partner has sent signals', CONSTRAINT = 'signal_receipts_partner_id_fkey';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION partners_without_signals IS 'A partner stays while there is a receipt for it.';
CREATE TRIGGER nothing_was_sent AFTER DELETE ON partners REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION partners_without_signals();

COMMENT ON INDEX households_pkey IS 'rule: what names a household names one that there is (filed_at_households)';
COMMENT ON INDEX address_index_household IS 'query: the addresses of a household that ends (store::erasures, households_without_signals)';
COMMENT ON INDEX signal_homes_household IS 'query: whether anything of a household is left (store::erasures, households_without_signals)';
COMMENT ON INDEX signal_homes_before IS 'query: whether anything of a household is left that a signal moved away from (store::erasures, households_without_signals)';
