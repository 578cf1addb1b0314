-- Every open task, its household and grounds by sender and keyed reference.
WITH names AS (SELECT signal_id, partner_id || '/' || left(encode(reference_index, 'hex'), 12) AS name FROM signal_receipts)
SELECT t.purpose || ' ' || t.urgency || ' step ' || t.ladder_step || ' ' || t.due_on || ' ' || t.team_id
    || ' at [' || (
        SELECT string_agg(name, ' ' ORDER BY name) FROM signals s JOIN names USING (signal_id)
        WHERE s.household_id = t.household_id AND s.lives_here)
    || '] because ' || (
        SELECT string_agg(
            g.rule_id || ' ' || coalesce((SELECT name FROM names WHERE signal_id::text = g.anchor), g.anchor) || ' = '
                || (SELECT string_agg(name, ' ' ORDER BY name) FROM names WHERE signal_id = ANY (g.witnesses)),
            '; ' ORDER BY g.rule_id, g.anchor, g.witnesses)
        FROM task_grounds g WHERE g.task_id = t.task_id AND g.gone_as_of IS NULL)
FROM tasks t
WHERE t.state IN ('open', 'claimed')
ORDER BY 1
