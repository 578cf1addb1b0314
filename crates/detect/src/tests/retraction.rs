//! What is said of a signal afterwards, and of whom it is about: each case in each state of a task (I5, K10).

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::world::{World, default_rules, play, rule_set};
use crate::TaskChange;

/// What can happen to the first signal, or around it. Signal 1 is of debtor 1 and of January; signal 2, where there is one, of debtor 2 and of August, so
/// that each brings a ground of its own.
const CASES: &[(&str, &str)] = &[
    ("withdrawn", "2025-08-20 withdraw 1"),
    ("corrected: lower", "2025-08-20 correct 1 40"),
    ("corrected: other kind", "2025-08-20 school 1"),
    ("corrected: other date", "2025-08-20 redate 1 2024-12-10"),
    ("objected, the person", "2025-08-20 object 1"),
    ("objected, the household", "2025-08-20 object"),
    ("expired", "2025-08-20 keep 200"),
    ("moved away", "2025-08-20 move 1"),
    ("excluded, the person", "2025-08-20 exclude deceased 1"),
    ("excluded, the household", "2025-08-20 exclude not_resident"),
    ("known client", "2025-08-20 known"),
    ("held", "2025-08-20 hold"),
    (
        "objection revoked",
        "2025-08-20 object\n2025-08-21 unobject",
    ),
    (
        "exclusion revoked",
        "2025-08-20 exclude detention\n2025-08-21 include",
    ),
    (
        "known client revoked",
        "2025-08-20 known\n2025-08-21 unknown",
    ),
    ("hold lifted", "2025-08-20 hold\n2025-08-21 lift"),
];

/// How a task came to stand as it does: none because everything lies below the threshold.
const STATES: &[(&str, &str)] = &[
    ("none", ""),
    ("open", ""),
    ("claimed", "2025-08-12 claim"),
    ("closed", "2025-08-12 close needs_no_help"),
    ("withdrawn", ""),
];

/// What a line did to tasks, in one word each; `-` when nothing.
fn fate(world: &mut World, lines: &str) -> String {
    let mut told = Vec::new();
    for (_, plan) in world.live(lines) {
        let changes = plan.map(|plan| plan.changes).unwrap_or_default();
        let words: Vec<&str> = changes
            .iter()
            .map(|change| match change {
                TaskChange::Raise { .. } => "raise",
                TaskChange::Join { .. } => "join",
                TaskChange::Annotate { .. } => "annotate",
                TaskChange::Withdraw { .. } => "withdraw",
                TaskChange::Flag { .. } => "flag",
                TaskChange::Hold { .. } => "hold",
                TaskChange::Merge { .. } => "merge",
            })
            .collect();
        told.push(match words.as_slice() {
            [] => "-".to_owned(),
            words => words.join("+"),
        });
    }
    told.join(" then ")
}

fn cell(case: &str, state: &(&str, &str), all: bool) -> String {
    let mut world = World::new(rule_set(default_rules()));
    let euros = if state.0 == "none" { 40 } else { 200 };
    world.live(&format!("2025-01-10 rent {euros} debtor=1"));
    if !all {
        world.live(&format!("2025-08-11 water {euros} debtor=2"));
    }
    world.live(state.1);
    if state.0 == "withdrawn" {
        world.live("2025-08-12 withdraw 1");
        if !all {
            world.live("2025-08-12 withdraw 2");
        }
    }
    fate(&mut world, case)
}

/// The rows: a case. The columns: a state of the task, when the first signal is all it leans on and when another ground stands beside it.
#[test]
fn each_case_in_each_state_of_a_task_has_one_outcome() {
    let mut table = String::new();
    for (name, case) in CASES {
        writeln!(table, "{name}").expect("strings take text");
        for state in STATES {
            let (all, some) = (cell(case, state, true), cell(case, state, false));
            writeln!(table, "  {:<9} all go: {all:<20} some go: {some}", state.0)
                .expect("strings take text");
        }
    }
    expect![[r#"
        withdrawn
          none      all go: -                    some go: -
          open      all go: withdraw             some go: annotate
          claimed   all go: flag                 some go: annotate
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        corrected: lower
          none      all go: -                    some go: -
          open      all go: -                    some go: -
          claimed   all go: -                    some go: -
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        corrected: other kind
          none      all go: -                    some go: -
          open      all go: withdraw             some go: annotate
          claimed   all go: flag                 some go: annotate
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        corrected: other date
          none      all go: -                    some go: -
          open      all go: join                 some go: join
          claimed   all go: join                 some go: join
          closed    all go: -                    some go: -
          withdrawn all go: raise                some go: raise
        objected, the person
          none      all go: -                    some go: -
          open      all go: withdraw             some go: annotate
          claimed   all go: flag                 some go: annotate
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        objected, the household
          none      all go: -                    some go: -
          open      all go: withdraw             some go: withdraw
          claimed   all go: flag                 some go: flag
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        expired
          none      all go: -                    some go: -
          open      all go: withdraw             some go: annotate
          claimed   all go: flag                 some go: annotate
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        moved away
          none      all go: -                    some go: -
          open      all go: withdraw             some go: annotate
          claimed   all go: flag                 some go: annotate
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        excluded, the person
          none      all go: -                    some go: -
          open      all go: withdraw             some go: annotate
          claimed   all go: flag                 some go: annotate
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        excluded, the household
          none      all go: -                    some go: -
          open      all go: withdraw             some go: withdraw
          claimed   all go: flag                 some go: flag
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        known client
          none      all go: -                    some go: -
          open      all go: -                    some go: -
          claimed   all go: -                    some go: -
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        held
          none      all go: -                    some go: -
          open      all go: -                    some go: -
          claimed   all go: -                    some go: -
          closed    all go: -                    some go: -
          withdrawn all go: -                    some go: -
        objection revoked
          none      all go: - then -             some go: - then -
          open      all go: withdraw then raise  some go: withdraw then raise
          claimed   all go: flag then join       some go: flag then join
          closed    all go: - then -             some go: - then -
          withdrawn all go: - then -             some go: - then -
        exclusion revoked
          none      all go: - then -             some go: - then -
          open      all go: withdraw then raise  some go: withdraw then raise
          claimed   all go: flag then join       some go: flag then join
          closed    all go: - then -             some go: - then -
          withdrawn all go: - then -             some go: - then -
        known client revoked
          none      all go: - then -             some go: - then -
          open      all go: - then -             some go: - then -
          claimed   all go: - then -             some go: - then -
          closed    all go: - then -             some go: - then -
          withdrawn all go: - then -             some go: - then -
        hold lifted
          none      all go: - then -             some go: - then -
          open      all go: - then -             some go: - then -
          claimed   all go: - then -             some go: - then -
          closed    all go: - then -             some go: - then -
          withdrawn all go: - then -             some go: - then -
    "#]]
    .assert_eq(&table);
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "expect! makes the value in place"
)]
fn check(scenario: &str, expected: Expect) {
    expected.assert_eq(&play(rule_set(default_rules()), scenario));
}

#[test]
fn a_signal_that_comes_while_an_objection_stands_is_objected_to_as_well() {
    check(
        "2025-01-10 rent 200 debtor=1
         2025-01-12 object 1
         2025-01-14 water 300 debtor=1
         2025-01-15 energy 300 debtor=2
         2025-01-20 unobject",
        expect![[r#"
            2025-01-10 rent 200 debtor=1
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-12 object 1
              withdraw: gone debt.single@2025-01
            2025-01-14 water 300 debtor=1
            2025-01-15 energy 300 debtor=2
              raise debt_help: routine, due 2025-01-29, step 1: debt.single@2025-01 [3]
            2025-01-20 unobject
              join: raised, due 2025-01-28, step 2: debt.multiple@2025-01 [1 2 3] instead of debt.single@2025-01
        "#]],
    );
}

#[test]
fn a_correction_below_a_high_amount_takes_that_ground_alone() {
    check(
        "2025-01-10 rent 600
         2025-01-11 claim
         2025-01-14 correct 1 200
         2025-01-15 correct 1 40",
        expect![[r#"
            2025-01-10 rent 600
              raise debt_help: raised, due 2025-01-24, step 2: debt.high_amount@#1 [1], debt.single@2025-01 [1]
            2025-01-11 claim
            2025-01-14 correct 1 200
              annotate: gone debt.high_amount@#1
            2025-01-15 correct 1 40
        "#]],
    );
}

#[test]
fn an_objection_does_not_switch_off_a_safety_marker() {
    check(
        "2025-01-10 rent 200 debtor=1
         2025-01-12 object
         2025-01-13 exclude deceased
         2025-01-14 care - acute debtor=1",
        expect![[r#"
            2025-01-10 rent 200 debtor=1
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-12 object
              withdraw: gone debt.single@2025-01
            2025-01-13 exclude deceased
            2025-01-14 care - acute debtor=1
              hold: 2
              raise safety: crisis, due 2025-01-15, step 1: safety.meldcode@#2 [2]
        "#]],
    );
}

#[test]
fn an_exclusion_of_one_person_leaves_what_is_about_another() {
    check(
        "2025-01-10 rent 200 debtor=1
         2025-01-12 water 200 debtor=2
         2025-01-14 exclude deceased 1
         2025-01-15 exclude legal_person 2
         2025-01-16 energy 900 debtor=2
         2025-01-20 include",
        expect![[r#"
            2025-01-10 rent 200 debtor=1
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-12 water 200 debtor=2
              join: raised, due 2025-01-24, step 2: debt.multiple@2025-01 [1 2] instead of debt.single@2025-01
            2025-01-14 exclude deceased 1
            2025-01-15 exclude legal_person 2
              withdraw: gone debt.multiple@2025-01
              silent: debt.multiple@2025-01 by excluded
            2025-01-16 energy 900 debtor=2
              silent: debt.high_amount@#3 by excluded
              silent: debt.multiple@2025-01 by excluded
            2025-01-20 include
              raise debt_help: raised, due 2025-01-27, step 2: debt.high_amount@#3 [3], debt.multiple@2025-01 [1 2 3]
        "#]],
    );
}

#[test]
fn a_claimed_task_whose_exclusion_was_a_mistake_goes_on() {
    check(
        "2025-01-10 rent 200
         2025-01-11 claim
         2025-01-14 exclude not_resident
         2025-01-15 include",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-11 claim
            2025-01-14 exclude not_resident
              flag: gone debt.single@2025-01
              silent: debt.single@2025-01 by excluded
            2025-01-15 include
              join: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
        "#]],
    );
}

#[test]
fn what_expires_day_by_day_takes_its_grounds_along() {
    check(
        "2025-01-10 rent 200
         2025-01-28 water 200
         2025-01-29 keep 20
         2025-01-30 look
         2025-02-17 look",
        expect![[r#"
            2025-01-10 rent 200
              raise debt_help: routine, due 2025-01-24, step 1: debt.single@2025-01 [1]
            2025-01-28 water 200
              join: raised, due 2025-01-24, step 2: debt.multiple@2025-01 [1 2] instead of debt.single@2025-01
            2025-01-29 keep 20
            2025-01-30 look
              join: raised, due 2025-01-24, step 2: debt.single@2025-01 [2] instead of debt.multiple@2025-01
            2025-02-17 look
              withdraw: gone debt.single@2025-01
        "#]],
    );
}
