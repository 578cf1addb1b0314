-- Every signal with its places (S5): a settled house has exactly one for each.
SELECT r.partner_id || '/' || left(encode(r.reference_index, 'hex'), 12) || ': ' || array_to_string(
    array_remove(ARRAY[
        CASE WHEN p.is_pending THEN 'pending' END,
        CASE WHEN NOT p.is_pending AND coalesce(h.revision, 0) < r.revision AND d.dead IS NULL THEN 'received' END,
        CASE WHEN coalesce(h.revision, 0) < r.revision THEN d.dead END,
        CASE WHEN h.revision = r.revision AND h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
            THEN 'unplaced ' || h.unplaced_reason END,
        CASE WHEN h.revision = r.revision AND h.discarded THEN 'discarded' END,
        CASE WHEN h.revision = r.revision AND h.withdrawn THEN 'withdrawn' END,
        CASE WHEN h.revision > r.revision THEN 'ahead of its receipt' END,
        CASE WHEN h.household_id IS NOT NULL AND NOT h.withdrawn AND NOT EXISTS (
            SELECT FROM signals s WHERE s.signal_id = r.signal_id AND s.household_id = h.household_id
                AND s.lives_here AND s.revision = r.revision)
            THEN 'on its way to a timeline' END
    ], NULL) || ARRAY(
        SELECT 'timeline revision ' || s.revision FROM signals s
        WHERE s.signal_id = r.signal_id AND s.lives_here AND s.standing = 'counted'),
    ', ')
FROM signal_receipts r
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM pending_receipts q WHERE q.signal_id = r.signal_id) AS is_pending) p
LEFT JOIN LATERAL (
    SELECT * FROM signal_homes home WHERE home.signal_id = r.signal_id ORDER BY revision DESC, filing DESC LIMIT 1
) h ON true
LEFT JOIN LATERAL (
    SELECT 'dead-lettered ' || reason AS dead FROM dead_letters
    WHERE state = 'waiting' AND convert_from(record_key, 'UTF8') = r.signal_id::text LIMIT 1
) d ON true
UNION ALL
SELECT 'nobody''s: on a timeline without a receipt' FROM signals s
WHERE NOT EXISTS (SELECT FROM signal_receipts r WHERE r.signal_id = s.signal_id)
ORDER BY 1
