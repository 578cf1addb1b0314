-- Parts without their whole: none, although no foreign key says so for each row that is written (adr 27 and 30).
SELECT 'ground of ' || task_id FROM task_grounds p WHERE NOT EXISTS (SELECT 1 FROM tasks w WHERE w.task_id = p.task_id)
UNION ALL
SELECT 'history of ' || task_id FROM task_events p WHERE NOT EXISTS (SELECT 1 FROM tasks w WHERE w.task_id = p.task_id)
UNION ALL
SELECT 'revision of ' || signal_id FROM signal_revisions p WHERE NOT EXISTS (SELECT 1 FROM signal_receipts w WHERE w.signal_id = p.signal_id)
UNION ALL
SELECT 'row of ' || delivery_id FROM delivery_rows p WHERE NOT EXISTS (SELECT 1 FROM deliveries w WHERE w.delivery_id = p.delivery_id)
UNION ALL
SELECT 'filing of ' || signal_id FROM signal_homes p WHERE household_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM households w WHERE w.household_id = p.household_id)
UNION ALL
SELECT 'move of ' || signal_id FROM signal_homes p WHERE household_before IS NOT NULL AND NOT EXISTS (SELECT 1 FROM households w WHERE w.household_id = p.household_before)
UNION ALL
SELECT 'address of ' || household_id FROM address_index p WHERE NOT EXISTS (SELECT 1 FROM households w WHERE w.household_id = p.household_id)
UNION ALL
SELECT 'receipt of ' || partner_id FROM signal_receipts p WHERE NOT EXISTS (SELECT 1 FROM partners w WHERE w.partner_id = p.partner_id)
