//! One household after another: what came, and what it caused.

use expect_test::{Expect, expect};

use super::world::{default_rules, play, rule_set};

#[expect(
    clippy::needless_pass_by_value,
    reason = "expect! makes the value in place"
)]
fn check(scenario: &str, expected: Expect) {
    expected.assert_eq(&play(rule_set(default_rules()), scenario));
}

#[test]
fn a_lone_signal_raises_a_task_and_a_second_type_makes_it_meervoudig() {
    check(
        "2025-01-10 rent 200
         2025-01-20 energy 30
         2025-01-21 energy 40",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-20 energy 30
              join: raised, due 2025-01-24, step 2: debt.multiple@2025-01 [1 2] instead of debt.single@2025-01
            2025-01-21 energy 40
              join: raised, due 2025-01-24, step 2: debt.multiple@2025-01 [1 2 3]
        "#]],
    );
}

#[test]
fn cak_and_zorg_are_one_type() {
    check(
        "2025-01-10 health_insurance 200
         2025-01-20 cak_health_insurance 300",
        expect![[r#"
            2025-01-10 health_insurance 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-20 cak_health_insurance 300
              join: routine, due 2025-01-24, step 1: debt.single@2025-01 [1 2]
        "#]],
    );
}

#[test]
fn the_threshold_mutes_only_enkelvoudig() {
    check(
        "2025-01-10 rent 74
         2025-01-12 rent -
         2025-02-10 water 20",
        expect![[r#"
            2025-01-10 rent 74
              silent: debt.single@2025-01 by threshold
            2025-01-12 rent -
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1 2]
            2025-02-10 water 20
              join: routine, due 2025-01-24, step 2: debt.consecutive@2025-02 [1 2 3]
        "#]],
    );
    check(
        "2025-01-10 rent 74
         2025-02-10 water 20",
        expect![[r#"
            2025-01-10 rent 74
              silent: debt.single@2025-01 by threshold
            2025-02-10 water 20
              raise debt_help: routine, due 2025-02-24, step 2: debt.consecutive@2025-02 [1 2]
              silent: debt.single@2025-01 by threshold
        "#]],
    );
    check(
        "2025-01-10 rent 74 crisis
         2025-03-10 water 20",
        expect![[r#"
            2025-01-10 rent 74 crisis
              raise debt_help: crisis, due 2025-01-15, step 2: debt.crisis@#1 [1], debt.single@2025-01 [1]
            2025-03-10 water 20
              join: crisis, due 2025-01-15, step 3: debt.consecutive@2025-03 [1 2]
        "#]],
    );
    check(
        "2025-01-10 rent 75",
        expect![[r#"
        2025-01-10 rent 75
          raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
    "#]],
    );
    check(
        "2025-01-10 rent 50
         2025-01-12 correct 1 100",
        expect![[r#"
            2025-01-10 rent 50
              silent: debt.single@2025-01 by threshold
            2025-01-12 correct 1 100
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
        "#]],
    );
}

#[test]
fn opeenvolgend_looks_six_calendar_months_back() {
    check(
        "2025-01-31 rent 200
         2025-07-01 water 200",
        expect![[r#"
            2025-01-31 rent 200
              raise debt_help: routine, due 2025-02-14, step 1: debt.single@2025-01 [1]
            2025-07-01 water 200
              join: routine, due 2025-02-14, step 2: debt.consecutive@2025-07 [1 2]
        "#]],
    );
    check(
        "2025-01-31 rent 200
         2025-08-01 water 200",
        expect![[r#"
            2025-01-31 rent 200
              raise debt_help: routine, due 2025-02-14, step 1: debt.single@2025-01 [1]
            2025-08-01 water 200
              join: routine, due 2025-02-14, step 1: debt.single@2025-08 [2]
        "#]],
    );
}

#[test]
fn a_late_signal_makes_an_earlier_single_opeenvolgend() {
    check(
        "2025-03-10 rent 200
         2025-03-20 water 200 on=2025-02-27",
        expect![[r#"
            2025-03-10 rent 200
              raise debt_help: routine, due 2025-03-24, step 1: debt.single@2025-03 [1]
            2025-03-20 water 200 on=2025-02-27
              join: routine, due 2025-03-24, step 2: debt.consecutive@2025-03 [1 2], debt.single@2025-02 [2] instead of debt.single@2025-03
        "#]],
    );
}

#[test]
fn a_repeat_is_muted_after_a_result_and_a_higher_amount_is_not() {
    check(
        "2025-01-10 rent 200
         2025-01-15 close needs_no_help
         2025-02-10 rent 200
         2025-02-12 rent 150 debtor=2
         2025-02-13 close needs_no_help
         2025-03-10 rent 201",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-15 close needs_no_help
            2025-02-10 rent 200
              silent: debt.consecutive@2025-02 by repeat
            2025-02-12 rent 150 debtor=2
              raise debt_help: routine, due 2025-02-24, step 2: debt.consecutive@2025-02 [1 2 3]
            2025-02-13 close needs_no_help
            2025-03-10 rent 201
              raise debt_help: routine, due 2025-03-24, step 2: debt.consecutive@2025-03 [1 2 3 4]
        "#]],
    );
}

#[test]
fn a_repeat_joins_an_open_task_without_a_step() {
    check(
        "2025-01-10 rent 200
         2025-02-10 rent 200
         2025-03-10 rent 250
         2025-04-10 rent 600
         2025-05-10 rent 600",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-02-10 rent 200
              join: routine, due 2025-01-24, step 1: debt.consecutive@2025-02 [1 2] (repeat)
            2025-03-10 rent 250
              join: routine, due 2025-01-24, step 2: debt.consecutive@2025-03 [1 2 3]
            2025-04-10 rent 600
              join: raised, due 2025-01-24, step 3: debt.consecutive@2025-04 [1 2 3 4], debt.high_amount@#4 [4]
            2025-05-10 rent 600
              join: raised, due 2025-01-24, step 3: debt.consecutive@2025-05 [1 2 3 4 5] (repeat), debt.high_amount@#5 [5] (repeat)
        "#]],
    );
}

#[test]
fn a_repeat_is_one_for_ninety_days_after_the_result() {
    check(
        "2025-01-10 rent 200
         2025-01-15 close needs_no_help
         2025-04-15 rent 200
         2025-04-16 rent 200",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-15 close needs_no_help
            2025-04-15 rent 200
              silent: debt.consecutive@2025-04 by repeat
            2025-04-16 rent 200
              raise debt_help: routine, due 2025-04-29, step 2: debt.consecutive@2025-04 [1 2 3]
        "#]],
    );
}

#[test]
fn a_repeat_never_mutes_meervoudig_or_a_crisis() {
    check(
        "2025-01-10 rent 200
         2025-01-15 close needs_no_help
         2025-02-10 rent 200
         2025-02-11 energy 10
         2025-02-12 close needs_no_help
         2025-03-10 rent 200 crisis",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-15 close needs_no_help
            2025-02-10 rent 200
              silent: debt.consecutive@2025-02 by repeat
            2025-02-11 energy 10
              raise debt_help: raised, due 2025-02-24, step 2: debt.consecutive@2025-02 [1 2 3], debt.multiple@2025-02 [2 3]
            2025-02-12 close needs_no_help
            2025-03-10 rent 200 crisis
              raise debt_help: crisis, due 2025-03-13, step 2: debt.consecutive@2025-03 [1 2 3 4], debt.crisis@#4 [4]
        "#]],
    );
}

#[test]
fn the_ladder_goes_on_after_no_contact_and_begins_anew_after_any_other_result() {
    check(
        "2025-01-10 rent 200
         2025-02-10 rent 300
         2025-02-28 close no_contact
         2025-03-10 rent 400
         2025-03-28 close quick_fix
         2025-12-10 rent 400",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-02-10 rent 300
              join: routine, due 2025-01-24, step 2: debt.consecutive@2025-02 [1 2]
            2025-02-28 close no_contact
            2025-03-10 rent 400
              raise debt_help: routine, due 2025-03-24, step 3: debt.consecutive@2025-03 [1 2 3]
            2025-03-28 close quick_fix
            2025-12-10 rent 400
              raise debt_help: routine, due 2025-12-24, step 1: debt.single@2025-12 [4]
        "#]],
    );
}

#[test]
fn a_crisis_wants_a_conversation_within_three_working_days() {
    check(
        "2025-04-10 water 40
         2025-04-17 rent 30 crisis",
        expect![[r#"
            2025-04-10 water 40
              silent: debt.single@2025-04 by threshold
            2025-04-17 rent 30 crisis
              raise debt_help: crisis, due 2025-04-24, step 2: debt.crisis@#2 [2], debt.multiple@2025-04 [1 2]
        "#]],
    );
}

#[test]
fn a_supply_end_is_due_ten_working_days_before_the_end_and_escalates_after() {
    check(
        "2025-03-03 energy 300 ends=2025-04-30
         2025-04-14 look
         2025-04-15 look",
        expect![[r#"
            2025-03-03 energy 300 ends=2025-04-30
              raise debt_help: crisis, due 2025-03-06, step 2: debt.crisis@#1 [1], debt.end_of_supply@#1 [1], debt.single@2025-03 [1]
              look again on 2025-04-15
            2025-04-14 look
              look again on 2025-04-15
            2025-04-15 look
              join: escalated, due 2025-03-06, step 2: 
        "#]],
    );
    check(
        "2025-03-03 energy 300 ends=2025-03-19",
        expect![[r#"
        2025-03-03 energy 300 ends=2025-03-19
          raise debt_help: crisis, due 2025-03-05, step 2: debt.crisis@#1 [1], debt.end_of_supply@#1 [1], debt.single@2025-03 [1]
          look again on 2025-03-06
    "#]],
    );
    check(
        "2025-03-03 energy 300 ends=2025-03-10",
        expect![[r#"
        2025-03-03 energy 300 ends=2025-03-10
          raise debt_help: escalated, due 2025-03-03, step 2: debt.crisis@#1 [1], debt.end_of_supply@#1 [1], debt.single@2025-03 [1]
    "#]],
    );
}

#[test]
fn a_warm_handover_lifts_the_open_task() {
    check(
        "2025-03-03 water 100
         2025-03-07 rent 10 warm",
        expect![[r#"
            2025-03-03 water 100
              raise debt_help: routine, due 2025-03-17, step 1: debt.single@2025-03 [1]
            2025-03-07 rent 10 warm
              join: raised, due 2025-03-10, step 2: debt.multiple@2025-03 [1 2], debt.warm_handover@#2 [2] instead of debt.single@2025-03
        "#]],
    );
}

#[test]
fn two_months_rent_is_a_high_amount() {
    check(
        "2025-03-03 rent 400 rent=200
         2025-03-04 rent 450 rent=225.01",
        expect![[r#"
            2025-03-03 rent 400 rent=200
              raise debt_help: raised, due 2025-03-17, step 2: debt.high_amount@#1 [1], debt.single@2025-03 [1]
            2025-03-04 rent 450 rent=225.01
              join: raised, due 2025-03-17, step 2: debt.single@2025-03 [1 2]
        "#]],
    );
}

#[test]
fn a_safety_marker_holds_the_household_and_goes_to_the_desk() {
    check(
        "2025-03-03 water 100
         2025-03-07 care - acute
         2025-03-08 lift
         2025-03-09 rent 100
         2025-03-10 care - acute
         2025-03-11 withdraw 2
         2025-03-12 withdraw 4",
        expect![[r#"
            2025-03-03 water 100
              raise debt_help: routine, due 2025-03-17, step 1: debt.single@2025-03 [1]
            2025-03-07 care - acute
              hold: 2
              raise safety: crisis, due 2025-03-10, step 1: safety.meldcode@#2 [2]
            2025-03-08 lift
            2025-03-09 rent 100
              join: raised, due 2025-03-17, step 2: debt.multiple@2025-03 [1 3] instead of debt.single@2025-03
            2025-03-10 care - acute
              hold: 4
              join: crisis, due 2025-03-10, step 1: safety.meldcode@#4 [4]
            2025-03-11 withdraw 2
              annotate: gone safety.meldcode@#2
            2025-03-12 withdraw 4
              flag: gone safety.meldcode@#4
        "#]],
    );
}

#[test]
fn a_withdrawn_signal_stops_counting_everywhere() {
    check(
        "2025-01-10 rent 200
         2025-01-20 energy 300
         2025-01-25 withdraw 2
         2025-01-26 withdraw 1",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-20 energy 300
              join: raised, due 2025-01-24, step 2: debt.multiple@2025-01 [1 2] instead of debt.single@2025-01
            2025-01-25 withdraw 2
              join: raised, due 2025-01-24, step 2: debt.single@2025-01 [1] instead of debt.multiple@2025-01
            2025-01-26 withdraw 1
              withdraw: gone debt.single@2025-01
        "#]],
    );
    check(
        "2025-01-10 rent 200
         2025-01-12 claim
         2025-01-25 withdraw 1
         2025-01-26 look
         2025-01-27 release",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-12 claim
            2025-01-25 withdraw 1
              flag: gone debt.single@2025-01
            2025-01-26 look
            2025-01-27 release
              withdraw: gone 
        "#]],
    );
    check(
        "2025-01-10 rent 200
         2025-01-12 claim
         2025-01-25 move 1
         2025-01-26 water 300",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-12 claim
            2025-01-25 move 1
              flag: gone debt.single@2025-01
            2025-01-26 water 300
              join: routine, due 2025-01-24, step 1: debt.single@2025-01 [2]
        "#]],
    );
}

#[test]
fn an_answered_signal_raises_nothing_again_but_counts_for_the_next() {
    check(
        "2025-01-10 rent 200
         2025-01-12 close paid_or_arranged
         2025-01-13 look
         2025-02-10 water 300
         2025-02-11 withdraw 2",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-12 close paid_or_arranged
            2025-01-13 look
            2025-02-10 water 300
              raise debt_help: routine, due 2025-02-24, step 2: debt.consecutive@2025-02 [1 2]
            2025-02-11 withdraw 2
              withdraw: gone debt.consecutive@2025-02
        "#]],
    );
}

#[test]
fn a_known_client_gets_no_ordinary_task_but_a_crisis_one() {
    check(
        "2025-01-10 known
         2025-01-11 rent 200
         2025-01-12 rent 200 crisis",
        expect![[r#"
            2025-01-10 known
            2025-01-11 rent 200
              silent: debt.single@2025-01 by known_client
            2025-01-12 rent 200 crisis
              raise debt_help: crisis, due 2025-01-15, step 2: debt.crisis@#2 [2], debt.single@2025-01 [1 2]
        "#]],
    );
}

#[test]
fn a_repeat_steps_up_once_something_comes_that_repeats_nothing() {
    check(
        "2025-01-10 rent 200
         2025-02-10 rent 200
         2025-02-11 rent 200
         2025-02-12 rent 250
         2025-02-13 rent 300",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-02-10 rent 200
              join: routine, due 2025-01-24, step 1: debt.consecutive@2025-02 [1 2] (repeat)
            2025-02-11 rent 200
              join: routine, due 2025-01-24, step 1: debt.consecutive@2025-02 [1 2 3] (repeat)
            2025-02-12 rent 250
              join: routine, due 2025-01-24, step 2: debt.consecutive@2025-02 [1 2 3 4]
            2025-02-13 rent 300
              join: routine, due 2025-01-24, step 2: debt.consecutive@2025-02 [1 2 3 4 5]
        "#]],
    );
}

#[test]
fn a_late_signal_of_a_closed_month_raises_with_what_is_new() {
    check(
        "2025-01-10 rent 200
         2025-01-20 close needs_no_help
         2025-02-03 energy 300 on=2025-01-15
         2025-02-04 withdraw 2",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-20 close needs_no_help
            2025-02-03 energy 300 on=2025-01-15
              raise debt_help: raised, due 2025-02-17, step 2: debt.multiple@2025-01 [1 2]
            2025-02-04 withdraw 2
              withdraw: gone debt.multiple@2025-01
        "#]],
    );
}

#[test]
fn a_corrected_amount_shows_on_the_open_task() {
    check(
        "2025-01-10 rent 600
         2025-01-11 correct 1 700
         2025-01-12 correct 1 100",
        expect![[r#"
            2025-01-10 rent 600
              raise debt_help: raised, due 2025-01-24, step 2: debt.high_amount@#1 [1], debt.single@2025-01 [1]
            2025-01-11 correct 1 700
              join: raised, due 2025-01-24, step 2: debt.high_amount@#1 [1]
            2025-01-12 correct 1 100
              annotate: gone debt.high_amount@#1
        "#]],
    );
}

#[test]
fn a_lone_signal_that_was_meervoudig_is_not_muted_by_the_threshold() {
    check(
        "2025-01-10 rent 20
         2025-01-11 energy 20
         2025-01-12 withdraw 2",
        expect![[r#"
            2025-01-10 rent 20
              silent: debt.single@2025-01 by threshold
            2025-01-11 energy 20
              raise debt_help: raised, due 2025-01-27, step 2: debt.multiple@2025-01 [1 2]
            2025-01-12 withdraw 2
              join: raised, due 2025-01-24, step 2: debt.single@2025-01 [1] instead of debt.multiple@2025-01
        "#]],
    );
}
