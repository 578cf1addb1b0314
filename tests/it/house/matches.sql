-- Every match, its witnesses by sender and keyed reference.
WITH names AS (SELECT signal_id, partner_id || '/' || left(encode(reference_index, 'hex'), 12) AS name FROM signal_receipts)
SELECT m.rule_id || ' ' || coalesce((SELECT name FROM names WHERE signal_id::text = m.anchor), m.anchor) || ' = '
    || (SELECT string_agg(name, ' ' ORDER BY name) FROM names WHERE signal_id = ANY (m.witnesses))
FROM matches m
ORDER BY 1
