-- Every match, its witnesses by sender and keyed reference.
WITH names AS (
    SELECT signal_id, signal_id::text AS id, partner_id || '/' || left(encode(reference_index, 'hex'), 12) AS name FROM signal_receipts
), witnesses AS (
    SELECT household_id, rule_id, anchor, string_agg(name, ' ' ORDER BY name) AS names
    FROM matches CROSS JOIN unnest(witnesses) AS signal_id JOIN names USING (signal_id)
    GROUP BY household_id, rule_id, anchor
)
SELECT m.rule_id || ' ' || coalesce(a.name, m.anchor) || ' = ' || coalesce(w.names, 'nobody')
FROM matches m
LEFT JOIN witnesses w USING (household_id, rule_id, anchor)
LEFT JOIN names a ON a.id = m.anchor
ORDER BY 1
