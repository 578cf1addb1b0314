-- What a partner may know of a signal (K12): whether somebody has finished with it, and nothing else. A function of the schema's owner, so that
-- the gateway's login needs no sight of tasks.
CREATE FUNCTION signal_is_closed(signal uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    -- The safety desk's work never shows (K11): such a signal stays received.
    SELECT coalesce(bool_and(t.state NOT IN ('open', 'claimed')) AND bool_or(t.state = 'closed'), false)
    FROM task_grounds g JOIN tasks t USING (task_id)
    WHERE g.witnesses @> ARRAY[signal] AND t.purpose <> 'safety'
$$;
COMMENT ON FUNCTION signal_is_closed IS 'Whether every task that leaned on a signal is over, and one of them ended with a result (K12).';
