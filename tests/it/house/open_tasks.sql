-- Every open task, its household and grounds by sender and keyed reference.
WITH names AS (
    SELECT signal_id, signal_id::text AS id, partner_id || '/' || left(encode(reference_index, 'hex'), 12) AS name FROM signal_receipts
), homes AS (
    SELECT household_id, string_agg(name, ' ' ORDER BY name) AS names
    FROM signals JOIN names USING (signal_id) WHERE lives_here
    GROUP BY household_id
), grounds AS (
    SELECT g.task_id, g.rule_id || ' ' || coalesce(a.name, g.anchor) || ' = ' || string_agg(names.name, ' ' ORDER BY names.name) AS ground
    FROM task_grounds g
    CROSS JOIN unnest(g.witnesses) AS signal_id
    JOIN names USING (signal_id)
    LEFT JOIN names a ON a.id = g.anchor
    WHERE g.gone_as_of IS NULL
    GROUP BY g.task_id, g.rule_id, g.anchor, g.witnesses, a.name
), reasons AS (
    SELECT task_id, string_agg(ground, '; ' ORDER BY ground) AS grounds FROM grounds GROUP BY task_id
)
SELECT t.purpose || ' ' || t.urgency || ' step ' || t.ladder_step || ' ' || t.due_on || ' ' || t.team_id
    || ' at [' || h.names || '] because ' || r.grounds
FROM tasks t
JOIN homes h USING (household_id)
JOIN reasons r USING (task_id)
WHERE t.state IN ('open', 'claimed')
ORDER BY 1
