-- The matches of seven rules from the signals alone, as sets. Written from docs and from the rule files, without the engine's code.
-- In: table copies (every record of the load). Out: table computed (household, rule, anchor, witnesses).

-- S3, S4: of each signal the greatest copy, and of those what counts.
CREATE TABLE signals AS
SELECT household, signal, partner_type, kind, event_date AS day, date_trunc('month', event_date)::DATE AS month,
       amount_cents, crisis, supply_ends_on, monthly_rent_thousandths,
       -- M1: CAK Zorgverzekeringen and Zorg are one type.
       CASE partner_type WHEN 'cak_health_insurance' THEN 'health_insurance' ELSE partner_type END AS counted_type
FROM (
    SELECT *, row_number() OVER (PARTITION BY signal ORDER BY revision DESC, filing DESC, counts DESC) AS place
    FROM copies
)
WHERE place = 1 AND counts;

-- A window of so many days ends on each day with a signal (T3); the group is everything, or one kind.
-- Each row: a window's last day and one signal in it.
CREATE TABLE windows AS
WITH rules(rule, days, per_kind) AS (
    VALUES ('reference.two_kinds', 60, false), ('reference.three_of_one_kind', 90, true)
), grouped AS (
    SELECT rule, days, household, CASE WHEN per_kind THEN kind ELSE '' END AS part, signal, kind, day
    FROM signals CROSS JOIN rules
)
SELECT ends.rule, ends.days, ends.household, ends.part, ends.day AS last_day, inside.signal, inside.kind, inside.day
FROM (SELECT DISTINCT rule, days, household, part, day FROM grouped) AS ends
JOIN grouped AS inside
  ON inside.rule = ends.rule AND inside.household = ends.household AND inside.part = ends.part
 AND inside.day <= ends.day AND date_diff('day', inside.day, ends.day) < ends.days;

CREATE TABLE satisfied AS
SELECT rule, days, household, part, last_day
FROM windows
GROUP BY ALL
HAVING CASE rule WHEN 'reference.two_kinds' THEN count(DISTINCT kind) >= 2 ELSE count(*) >= 3 END;

-- M2: a maximal run of windows that have a day in common.
CREATE TABLE runs AS
SELECT rule, household, part, last_day,
       sum(begins) OVER (PARTITION BY rule, household, part ORDER BY last_day) AS run
FROM (
    SELECT *, CASE
        WHEN date_diff('day', lag(last_day) OVER (PARTITION BY rule, household, part ORDER BY last_day), last_day) < days THEN 0
        ELSE 1
    END AS begins
    FROM satisfied
);

-- The signal of a run's first day with which its first window is satisfied; of more on that day, by id.
CREATE TABLE anchors AS
WITH firsts AS (
    SELECT rule, household, part, run, min(last_day) AS last_day FROM runs GROUP BY ALL
), upto AS (
    SELECT firsts.*, closing.signal AS anchor,
           count(*) AS many, count(DISTINCT inside.kind) AS kinds
    FROM firsts
    JOIN windows AS closing USING (rule, household, part, last_day)
    JOIN windows AS inside USING (rule, household, part, last_day)
    WHERE closing.day = firsts.last_day
      AND (inside.day < closing.day OR inside.signal <= closing.signal)
    GROUP BY ALL
)
SELECT rule, household, part, run, min(anchor) AS anchor
FROM upto
WHERE CASE rule WHEN 'reference.two_kinds' THEN kinds >= 2 ELSE many >= 3 END
GROUP BY ALL;

CREATE TABLE computed AS
SELECT household, rule, anchor, string_agg(DISTINCT signal, ' ' ORDER BY signal) AS witnesses
FROM anchors
JOIN runs USING (rule, household, part, run)
JOIN windows USING (rule, household, part, last_day)
GROUP BY household, rule, part, run, anchor;

-- M1, per household and calendar month.
CREATE TABLE months AS
SELECT household, month, count(DISTINCT counted_type) AS types,
       string_agg(signal, ' ' ORDER BY signal) AS witnesses
FROM signals
GROUP BY household, month;

CREATE TABLE months_before AS
SELECT now.household, now.month, count(earlier.signal) AS many
FROM months AS now
LEFT JOIN signals AS earlier
  ON earlier.household = now.household
 AND earlier.month < now.month AND earlier.month >= now.month - INTERVAL 6 MONTH
GROUP BY ALL;

INSERT INTO computed
SELECT household, 'debt.multiple', strftime(month, '%Y-%m'), witnesses FROM months WHERE types >= 2
UNION ALL
SELECT household, 'debt.single', strftime(month, '%Y-%m'), witnesses
FROM months JOIN months_before USING (household, month)
WHERE types < 2 AND many = 0
UNION ALL
SELECT now.household, 'debt.consecutive', strftime(now.month, '%Y-%m'), string_agg(leaned_on.signal, ' ' ORDER BY leaned_on.signal)
FROM months_before AS now
JOIN signals AS leaned_on
  ON leaned_on.household = now.household
 AND leaned_on.month <= now.month AND leaned_on.month >= now.month - INTERVAL 6 MONTH
WHERE now.many > 0
GROUP BY now.household, now.month;

-- M5, M6: one signal by itself.
INSERT INTO computed
SELECT household, 'debt.high_amount', signal, signal FROM signals
WHERE amount_cents >= 50000 OR amount_cents * 10 >= 2 * monthly_rent_thousandths
UNION ALL
SELECT household, 'debt.crisis', signal, signal FROM signals
WHERE crisis OR supply_ends_on IS NOT NULL OR kind IN ('eviction_notice', 'health_insurance_end', 'supply_end_notice');
