-- What each index of a table is for that every signal or task writes: an index costs each of them, so it stands for a question that is asked. A test wants a comment
-- of each one, and of each new one.

COMMENT ON INDEX signal_receipts_pkey IS 'query: the receipt of a signal, when what was decided is said of it (store::receipts), and its end (store::erasures)';
COMMENT ON INDEX signal_receipts_partner_id_reference_index_key IS 'rule: a reference of a partner is one signal (S1). query: which signal a delivered row is (store::receipts)';
COMMENT ON INDEX signal_receipts_pending IS 'query: what was given an id and is not known to be on the log, few at any time (store::receipts)';
COMMENT ON INDEX signal_receipts_erased IS 'query: tombstones whose time is over (store::housekeeping)';
COMMENT ON INDEX signal_receipts_feed IS 'query: whether all that a partner delivered of a kind was judged, before a feed counts as complete (store::feeds)';
COMMENT ON INDEX signal_revisions_pkey IS 'query: what a partner said last of a signal, so that the same is not taken for news (store::receipts)';
COMMENT ON INDEX delivery_rows_pkey IS 'query: what became of the rows of a delivery, page by page (store::deliveries)';

COMMENT ON INDEX households_pkey IS 'rule: what names a household names one that there is (foreign keys of address_index and signal_homes)';
COMMENT ON INDEX address_index_pkey IS 'query: which household lives at an address (store::households)';
COMMENT ON INDEX address_index_household IS 'query: the addresses of a household that ends (store::erasures), and the foreign key';
COMMENT ON INDEX debtor_index_pkey IS 'query: who a person is, without a name (store::households)';
COMMENT ON INDEX debtor_index_debtor IS 'query: a person of whom nothing is left (store::erasures)';
COMMENT ON INDEX sealed_identities_pkey IS 'query: who a signal is about, for a colleague who may know (store::tasks, store::queue), and its end (store::erasures)';
COMMENT ON INDEX signal_homes_pkey IS 'query: where a signal was filed last (store::homes)';
COMMENT ON INDEX signal_homes_unproduced IS 'query: what was decided and is not known to be on the log, few at any time (store::homes)';
COMMENT ON INDEX signal_homes_unplaced IS 'query: the queue of signals without a household (store::queue, store::console)';
COMMENT ON INDEX signal_homes_household IS 'query: whether anything of a household is left (store::erasures), and the foreign key';
COMMENT ON INDEX signal_homes_before IS 'query: whether anything of a household is left that a signal moved away from (store::erasures), and the foreign key';
COMMENT ON INDEX signal_homes_ends IS 'query: filings that end on a day (store::homes)';

COMMENT ON INDEX signals_pkey IS 'query: the timeline of each household that is judged (store::timelines); of all households in order, for a replay (store::history)';
COMMENT ON INDEX signals_debtor IS 'query: the households with a signal of a person about whom something is registered (store::registrations)';
COMMENT ON INDEX signals_kind_date IS 'query: what is past its retention, by kind (store::erasures)';
COMMENT ON INDEX signal_history_pkey IS 'query: the copies of a stretch of households, in their order (store::history)';
COMMENT ON INDEX household_judgements_pkey IS 'query: as of which day a household was judged last (store::judgements)';
COMMENT ON INDEX household_judgements_awaits_feeds IS 'query: whom to wake when a feed is complete, few at any time (store::feeds)';
COMMENT ON INDEX matches_pkey IS 'query: what was true of a household until now, to write what changed (store::judgements)';
COMMENT ON INDEX suppressions_pkey IS 'query: what was kept silent at a household until now (store::judgements)';
COMMENT ON INDEX shadow_matches_pkey IS 'query: what a shadow found, beside the live rules (store::judgements)';
COMMENT ON INDEX shadow_matches_household IS 'query: what a shadow found of a household until now (store::judgements)';

COMMENT ON INDEX tasks_pkey IS 'query: a task, from a page or an act (store::tasks, store::task_changes), and the foreign keys of what it has';
COMMENT ON INDEX tasks_one_open_per_purpose IS 'rule: a household has at most one open task per purpose (I8)';
COMMENT ON INDEX tasks_worklist IS 'query: what a team has to do, by when (store::tasks)';
COMMENT ON INDEX tasks_household IS 'query: the tasks of each household that is judged, the closed ones too (store::judgements)';
COMMENT ON INDEX task_grounds_pkey IS 'query: why a task was raised (store::tasks, store::judgements), and the foreign key';
COMMENT ON INDEX task_grounds_witnesses IS 'query: on which closed tasks a signal was answered, after a move (store::judgements)';
COMMENT ON INDEX task_events_pkey IS 'rule: an event has one number, in one order with wake_ups_taken; written at its end, which costs little';
COMMENT ON INDEX task_events_task IS 'query: what happened to a task, in order (store::tasks, store::history), and the foreign key';

COMMENT ON INDEX wake_ups_pkey IS 'rule: a household is woken once a day for one reason';
COMMENT ON INDEX wake_ups_due IS 'query: whose day has come in the partitions that somebody owns (store::wake_ups)';
COMMENT ON INDEX wake_ups_taken_pkey IS 'query: what a stretch of households was woken for, in their order (store::history)';
COMMENT ON INDEX partition_positions_pkey IS 'query: up to where a stage has read a partition (store::positions)';
COMMENT ON INDEX log_records_pkey IS 'query: what comes next in a partition (bus, the log in PostgreSQL)';
