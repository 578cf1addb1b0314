//! The legal gate: profiles, the days on which grounds hold, and attributes that nothing may use (I7).

use std::collections::BTreeMap;

use expect_test::expect;
use jiff::civil::{Date, date};
use voorveld_calendar::Period;

use super::*;

/// A rule of P3, off as shipped.
const SCHOOL_RULE: &str = r#"id: school.often
version: 1
title: Verzuim
explanation: Er zijn meldingen van verzuim.
purpose: school_attendance
legal_basis: compulsory-education
profile: P3
looks_at: { domains: [school] }
when:
  within:
    window: { days: 28 }
    test: { count: { at_least: 2, of: { field: { name: hours, test: { at_least: "1" } } } } }
retention_days: 365
examples:
  - name: een
    signals:
      - { kind: school_absence_16h, on: 2025-01-06, fields: { absent_from: 2025-01-01, absent_until: 2025-01-06, hours: "16,5" } }
    expect: { match: false }
  - name: twee
    signals:
      - { kind: school_absence, on: 2025-01-06, fields: { hours: "4" } }
      - { kind: school_absence, on: 2025-01-20, fields: { hours: "4" } }
    expect: { match: true, task: false }
"#;

const P3_OFF: &str = "    off_because: >-\n      Verzuim gaat van de school via DUO naar de leerplichtambtenaar. De gemeente heeft dit doel hier niet aangezet.\n";
const P3_ON: &str = "    on: { since: 2025-01-01, by: Teammanager leerplicht }\n";

fn with_school_rule(changes: &[(&str, &str, &str)]) -> Result<Policy, PolicyErrors> {
    // Of the shipped rules only those that are on: what is tried here is the rule of this test.
    let mut files = Files::shipped()
        .without_rules(|name| {
            !name.starts_with("rules/debt.") && !name.starts_with("rules/safety.")
        })
        .with("rules/school.often.yaml", SCHOOL_RULE);
    for (file, from, to) in changes {
        let text = files.get(file).to_owned();
        assert!(text.contains(from), "{file} has no {from}");
        files = files.with(file, text.replacen(from, to, 1));
    }
    Policy::of_files(&files, PolicyErrors::default())
}

fn said_with_school_rule(changes: &[(&str, &str, &str)]) -> String {
    with_school_rule(changes)
        .expect_err("something is wrong")
        .to_string()
}

#[test]
fn a_rule_of_a_profile_that_is_off_is_checked_and_judges_nothing() {
    let policy = with_school_rule(&[]).unwrap_or_else(|errors| panic!("{errors}"));
    let report = check(&policy);
    assert!(report.passed(), "{report}");
    let id = "school.often".parse().unwrap();
    assert!(policy.rules().get(&id).is_none());
    let off: Vec<(&str, &str)> = policy
        .rules_that_are_off()
        .map(|(rule, profile)| (rule.id.as_str(), profile.id.as_str()))
        .collect();
    assert_eq!(off, [("school.often", "P3")]);
    assert!(
        report
            .to_string()
            .contains("\nschool.often v1 – Verzuim – uit (profiel P3)\n  ok   een\n  ok   twee\n"),
        "{report}"
    );
    // What judges is what judged without it.
    assert_eq!(policy.rules().hash(), Policy::shipped().rules().hash());
}

#[test]
fn the_examples_of_a_rule_that_is_off_are_run_all_the_same() {
    let policy = with_school_rule(&[(
        "rules/school.often.yaml",
        "match: true, task: false",
        "match: true, task: true",
    )])
    .unwrap();
    let report = check(&policy);
    assert_eq!((report.passed(), report.failures()), (false, 1), "{report}");
}

#[test]
fn a_municipality_that_switches_a_profile_on_may_use_it_from_that_day() {
    let on = ("profiles.yaml", P3_OFF, P3_ON);
    let policy = with_school_rule(&[on]).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(check(&policy).passed(), "{}", check(&policy));
    let rule = policy
        .rules()
        .get(&"school.often".parse().unwrap())
        .unwrap();
    assert_eq!(rule.in_force, Period::new(date(2025, 1, 1), Date::MAX));
    assert_eq!(policy.rules_that_are_off().count(), 0);
    let kind = policy.catalogue().find("school_absence_16h").unwrap();
    assert!(!policy.is_covered(kind, date(2024, 12, 31)));
    assert!(policy.is_covered(kind, date(2025, 1, 1)));
    // Its version says what it said: only the days are others.
    let later = with_school_rule(&[(
        "profiles.yaml",
        P3_OFF,
        "    on: { since: 2025-02-01, by: Teammanager leerplicht }\n",
    )])
    .unwrap();
    assert_ne!(later.rules().hash(), policy.rules().hash());
    assert_eq!(
        later.rules().digest(&rule.id),
        policy.rules().digest(&rule.id)
    );
}

#[test]
fn the_door_speaks_in_the_words_of_the_profile_or_of_the_ground() {
    let words = |changes: &[(&str, &str, &str)], kind: &str, event: Date, today: Date| {
        let policy = with_school_rule(changes).unwrap_or_else(|errors| panic!("{errors}"));
        let kind = policy.catalogue().find(kind).unwrap();
        policy.uncovered_because(kind, event, today)
    };
    let day = date(2025, 6, 2);
    let off = words(&[], "school_absence_16h", day, day).unwrap();
    assert!(
        off.starts_with("Verzuim gaat van de school via DUO"),
        "{off}"
    );
    // The ground is off although its profile is on: its own words.
    let own = words(&[], "other_arrears", day, day).unwrap();
    assert!(own.contains("gemeentelijke belastingen"), "{own}");

    let on = [("profiles.yaml", P3_OFF, P3_ON)];
    assert_eq!(words(&on, "school_absence_16h", day, day), None);
    let early = words(&on, "school_absence_16h", date(2024, 12, 31), day);
    assert_eq!(
        early.as_deref(),
        Some("„Verzuim van school” staat hier pas aan vanaf 1 januari 2025.")
    );
    let ended = [(
        "profiles.yaml",
        P3_OFF,
        "    on: { since: 2025-01-01, until: 2025-06-01, by: Teammanager leerplicht }\n",
    )];
    assert_eq!(
        words(
            &ended,
            "school_absence_16h",
            date(2025, 5, 1),
            date(2025, 5, 31)
        ),
        None
    );
    let late = words(
        &ended,
        "school_absence_16h",
        date(2025, 5, 1),
        date(2025, 6, 1),
    );
    assert_eq!(
        late.as_deref(),
        Some("„Verzuim van school” staat hier uit sinds 1 juni 2025.")
    );

    let rent = |since, day| {
        let to = format!("    certainty: secondary\n    {since}\n");
        let change = (
            "legal.yaml",
            "    certainty: secondary\n    since: 2021-01-01\n",
            to.as_str(),
        );
        words(&[change], "rent_arrears", day, day)
    };
    assert_eq!(rent("since: 2021-01-01", day), None);
    assert_eq!(
        rent("since: 2025-07-01", day).as_deref(),
        Some("De grondslag „Vroegsignalering bij vaste lasten” geldt pas vanaf 1 juli 2025.")
    );
    assert_eq!(
        rent("since: 2021-01-01\n    until: 2025-06-02", day).as_deref(),
        Some("De grondslag „Vroegsignalering bij vaste lasten” geldt niet meer sinds 2 juni 2025.")
    );
    assert_eq!(rent("since: 2021-01-01\n    until: 2025-06-03", day), None);
}

#[test]
fn a_kind_is_received_exactly_when_its_ground_and_its_profile_hold() {
    let policy = Policy::shipped();
    for (kind, profile) in [
        ("rent_arrears", "P1"),
        ("school_absence", "P3"),
        ("school_absence_holiday", "P3"),
        ("early_leaver", "P3"),
        ("youth_index_report", "P2"),
        ("youth_health_concern", "P2"),
        ("school_absence_other", "P4"),
        ("police_care_report", "P4"),
        ("gp_concern", "P4"),
        ("reporting_code_report", "all"),
    ] {
        let kind = policy.catalogue().find(kind).unwrap();
        let ground = policy.grounds().get(&kind.ground).unwrap();
        assert_eq!(ground.profile, profile, "{}", kind.id);
        let is_on = policy.profiles().get(profile).unwrap().days().is_some();
        assert_eq!(is_on, matches!(profile, "P1" | "all"), "{profile}");
        assert_eq!(
            policy.is_covered(kind, date(2025, 3, 1)),
            is_on,
            "{}",
            kind.id
        );
    }
    for profile in policy.profiles().iter() {
        assert!(
            policy.grounds().of_profile(&profile.id).count() > 0,
            "{}",
            profile.id
        );
    }
}

#[test]
fn a_rule_that_is_off_is_held_to_the_law_as_if_it_were_on() {
    let rule = "rules/school.often.yaml";
    // Luxeverzuim joins nothing; debts are of no ground of school.
    expect!["rules/school.often.yaml:6: rule `school.often` joins signals for `school_attendance`, but ground `compulsory-education` (Leerplichtwet 1969 art. 21, 21a en 22) does not cover `rent_arrears`, `school_absence_holiday` for judging together"].assert_eq(&said_with_school_rule(&[(
        rule,
        "{ domains: [school] }",
        "{ domains: [school], kinds: [school_absence_holiday, rent_arrears] }",
    )]));
    // Off by itself, whatever its profile says.
    expect!["rules/school.often.yaml:8: `other_arrears` is not received here: its ground `wgs-unnamed-creditors` (geen) is not in force here"].assert_eq(&said_with_school_rule(&[(
        rule,
        "{ domains: [school] }",
        "{ domains: [school], kinds: [other_arrears] }",
    )]));
    expect!["rules/school.often.yaml:7: profile `P1`, but its ground `compulsory-education` (Leerplichtwet 1969 art. 21, 21a en 22) belongs to profile `P3`"].assert_eq(&said_with_school_rule(&[(
        rule,
        "profile: P3",
        "profile: P1",
    )]));
    // A ground that is not there hides no other fault.
    expect![[r#"
        rules/school.often.yaml:2: version: expected a whole number from 1, found `0`
        rules/school.often.yaml:6: `art-1` is not a ground of legal.yaml
        rules/school.often.yaml:12: no kind this rule looks at has a field `days`"#]]
    .assert_eq(&said_with_school_rule(&[
        (
            rule,
            "legal_basis: compulsory-education",
            "legal_basis: art-1",
        ),
        (rule, "version: 1", "version: 0"),
        (rule, "name: hours", "name: days"),
    ]));
    expect!["rules/school.often.yaml:11: when.within.window.days: expected a whole number from 1 to 65535, found `0`"]
        .assert_eq(&said_with_school_rule(&[(rule, "days: 28", "days: 0")]));
}

#[test]
fn a_rule_that_is_on_needs_what_is_on() {
    let on = ("profiles.yaml", P3_OFF, P3_ON);
    expect!["rules/school.often.yaml:8: `youth_index_report` is not received here: its ground `youth-index` (Jeugdwet § 7.1) is not in force here, as profile `P2` is off"].assert_eq(&said_with_school_rule(&[
        on,
        (
            "rules/school.often.yaml",
            "{ domains: [school] }",
            "{ domains: [school], kinds: [youth_index_report] }",
        ),
    ]));
}

#[test]
fn grounds_that_never_hold_on_one_day_cover_nothing_together() {
    let fixed = (
        "legal.yaml",
        "    certainty: secondary\n    since: 2021-01-01\n",
        "    certainty: secondary\n    since: 2021-01-01\n    until: 2024-01-01\n",
    );
    let joined = (
        "legal.yaml",
        "    certainty: read\n    since: 2021-01-01\n",
        "    certainty: read\n    since: 2024-01-01\n",
    );
    let said = said_with_school_rule(&[fixed, joined]);
    let of_high_amount: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("high_amount") && line.contains("`rent_arrears`"))
        .collect();
    expect!["rules/debt.high_amount.yaml:9: `rent_arrears` is received from 2021-01-01 until 2024-01-01 by ground `wgs-fixed-costs` (Wgs art. 3 lid 1 onder b; Besluit gemeentelijke schuldhulpverlening § 2 (Stb. 2020, 240)), but ground `wgs-early-signals` (Wgs art. 8b (signalen van art. 3 lid 1 onder b en van art. 10)) of this rule is in force from 2024-01-01: on no day both"].assert_eq(&of_high_amount.join("\n"));
    // A ground and its profile too.
    let on = ("profiles.yaml", P3_OFF, P3_ON);
    let over = (
        "legal.yaml",
        "    article: Leerplichtwet 1969 art. 21, 21a en 22\n    explanation: Een school meldt verzuim via DUO bij de leerplichtambtenaar.\n    certainty: read\n    since: 2021-01-01\n",
        "    article: Leerplichtwet 1969 art. 21, 21a en 22\n    explanation: Een school meldt verzuim via DUO bij de leerplichtambtenaar.\n    certainty: read\n    since: 2021-01-01\n    until: 2025-01-01\n",
    );
    expect!["rules/school.often.yaml:6: ground `compulsory-education` (Leerplichtwet 1969 art. 21, 21a en 22) is in force from 2021-01-01 until 2025-01-01, profile `P3` is on from 2025-01-01"].assert_eq(&said_with_school_rule(&[on, over]));
}

#[test]
fn a_profile_that_says_what_cannot_be_is_refused_with_its_line() {
    let file = "profiles.yaml";
    refuses(
        &[
            (file, P3_OFF, ""),
            (
                file,
                "    on: { since: 2021-01-01, by: \"Meegeleverd met Voorveld\" }",
                "    on: { since: 2021-01-01, until: 2020-01-01, by: \" \" }",
            ),
            (
                file,
                "      - Een afspraak tussen",
                "      - {}\n      - Een afspraak tussen",
            ),
        ],
        expect![[r#"
            profiles.yaml:30: needs[0]: invalid type: map, expected a string
            profiles.yaml:50: profile `P3`: expected either `on` with `since` and `by`, or `off_because` with the reason
            profiles.yaml:80: expected `until` to come after `since`
            profiles.yaml:80: expected in `by` who decided that it is on"#]],
    );
    refuses(
        &[
            (file, P3_OFF, &format!("{P3_OFF}{P3_ON}")),
            (
                file,
                "    needs:\n      - Een veiligheidsdesk in `routing.yaml`.\n      - Een werkafspraak met Veilig Thuis.\n",
                "    needs: []\n",
            ),
            ("legal.yaml", "profile: P4", "profile: P9"),
        ],
        expect![[r#"
            profiles.yaml:59: profile `P3`: expected either `on` with `since` and `by`, or `off_because` with the reason
            profiles.yaml:79: profile `all`: expected in `needs` what must be arranged before it may be on"#]],
    );
    refuses(
        &[(file, "id: P4", "id: P2")],
        expect!["profiles.yaml:62: profile `P2` is there twice"],
    );
    refuses(
        &[
            ("legal.yaml", "profile: P4", "profile: P9"),
            ("legal.yaml", "    profile: P2\n", ""),
        ],
        expect![[r#"
            legal.yaml:151: `P9` is not a profile of profiles.yaml
            legal.yaml:163: missing field `profile`"#]],
    );
}

#[test]
fn what_nothing_may_use_is_refused_in_kinds_fields_and_rules() {
    refuses(
        &[
            (
                "signals.yaml",
                "{ name: monthly_rent, label: Huur per maand,",
                "{ name: country_of_birth, label: Huur per maand,",
            ),
            (
                "signals.yaml",
                "label: Datum ontruiming",
                "label: Geboortedatum",
            ),
            (
                "signals.yaml",
                "{ code: other, label: Andere zorgmelding }",
                "{ code: other, label: Psychiatrisch verleden }",
            ),
            (
                "signals.yaml",
                "name: Zorg van de huisarts",
                "name: Diagnose van de huisarts",
            ),
            (
                "rules/debt.high_amount.yaml",
                "field: monthly_rent",
                "field: country_of_birth",
            ),
            (
                "rules/safety.meldcode.yaml",
                "field: { name: acute,",
                "field: { name: religion,",
            ),
        ],
        expect![[r#"
            rules/debt.high_amount.yaml:16: field `country_of_birth` is about `birth_country` (geboorteland), which nothing here may use: College voor de Rechten van de Mens, Toetsingskader risicoprofilering (2025)
            rules/safety.meldcode.yaml:14: field `religion` is about `religion` (godsdienst en levensovertuiging), which nothing here may use: AVG art. 9; College voor de Rechten van de Mens, Toetsingskader risicoprofilering (2025)
            signals.yaml:27: field `country_of_birth` („Huur per maand”) is about `birth_country` (geboorteland), which nothing here may use: College voor de Rechten van de Mens, Toetsingskader risicoprofilering (2025)
            signals.yaml:192: field `eviction_on` („Geboortedatum”) is about `identity` (naam, geboortedatum en BSN), which nothing here may use: AVG art. 5 lid 1 onder c; wie iemand is, staat alleen in de verzegelde identiteit
            signals.yaml:321: field `incident` („Soort melding”) is about `health` (gegevens over gezondheid), which nothing here may use: AVG art. 9
            signals.yaml:371: kind `gp_concern` is about `health` (gegevens over gezondheid), which nothing here may use: AVG art. 9"#]],
    );
    // What a municipality adds holds too.
    let own = "denied:\n  - id: rent\n    name: huur\n    source: Eigen beleid\n    stems: [\"huur per\"]\n";
    let files = Files::shipped().with("denied.yaml", own);
    let said = Policy::of_files(&files, PolicyErrors::default()).unwrap_err();
    expect!["signals.yaml:27: field `monthly_rent` („Huur per maand”) is about `rent` (huur), which nothing here may use: Eigen beleid"].assert_eq(&said.to_string());
}

#[test]
fn what_runs_out_is_said_in_time() {
    let said = |changes: &[(&str, &str, &str)], today| {
        let policy = with_school_rule(changes).unwrap_or_else(|errors| panic!("{errors}"));
        let warnings: Vec<String> = warnings(&policy, today)
            .iter()
            .map(ToString::to_string)
            .collect();
        warnings.join("\n")
    };
    // 5 September 2027 is 180 days after 9 March.
    assert_eq!(said(&[], date(2027, 3, 9)), "");
    expect!["calendar.yaml: school holidays are known until 2027-09-05, in 179 days: later weeks count as school weeks. Add the next school year"].assert_eq(&said(&[], date(2027, 3, 10)));
    expect!["calendar.yaml: school holidays are known until 2027-09-05, in 0 days: later weeks count as school weeks. Add the next school year"].assert_eq(&said(&[], date(2027, 9, 5)));
    expect!["calendar.yaml: school holidays are known until 2027-09-05, which is past: later weeks count as school weeks"].assert_eq(&said(&[], date(2027, 9, 6)));
    expect!["calendar.yaml: school holidays are known from 2023-09-04 only"]
        .assert_eq(&said(&[], date(2023, 9, 3)));
    let without = ("calendar.yaml", "school_region: middle\n", "");
    let list = Files::shipped().get("calendar.yaml").to_owned();
    let own_list = &list[list.find("school_holidays_known").unwrap()..];
    assert_eq!(
        said(
            &[without, ("calendar.yaml", own_list, "")],
            date(2030, 1, 1)
        ),
        ""
    );

    let days = |since: &str| format!("    on: {{ {since}, by: Teammanager leerplicht }}\n");
    let (later, ended) = (
        days("since: 2026-01-01"),
        days("since: 2024-01-01, until: 2025-01-01"),
    );
    let today = date(2025, 3, 1);
    expect!["rules/school.often.yaml: rule `school.often` has no ground today: ground `compulsory-education` (Leerplichtwet 1969 art. 21, 21a en 22), profile `P3`, is in force from 2026-01-01 and has not begun"].assert_eq(&said(&[("profiles.yaml", P3_OFF, &later)], today));
    expect!["rules/school.often.yaml: rule `school.often` has no ground today: ground `compulsory-education` (Leerplichtwet 1969 art. 21, 21a en 22), profile `P3`, is in force from 2024-01-01 until 2025-01-01 and has ended"].assert_eq(&said(&[("profiles.yaml", P3_OFF, &ended)], today));
}

#[test]
fn safety_that_is_off_is_not_off_in_silence() {
    let policy = with_school_rule(&[(
        "profiles.yaml",
        "    on: { since: 2021-01-01, by: \"Meegeleverd met Voorveld\" }",
        "    off_because: Er is nog geen veiligheidsdesk.",
    )])
    .unwrap_or_else(|errors| panic!("{errors}"));
    assert!(check(&policy).passed());
    let said: Vec<String> = warnings(&policy, date(2025, 3, 1))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "profiles.yaml: profile `all` is off, and with it rule `safety.meldcode`: no marker stops contact at a household"
        ]
    );
}

#[test]
fn every_day_of_a_ground_is_a_day_of_its_profile() {
    let policy = with_school_rule(&[("profiles.yaml", P3_OFF, P3_ON)]).unwrap();
    let profiles: BTreeMap<&str, Option<Period>> = policy
        .profiles()
        .iter()
        .map(|profile| (profile.id.as_str(), profile.days()))
        .collect();
    for ground in policy.grounds().iter() {
        let days = profiles[ground.profile.as_str()];
        for day in [
            date(2020, 12, 31),
            date(2021, 1, 1),
            date(2024, 12, 31),
            date(2025, 1, 1),
            date(2040, 1, 1),
        ] {
            let holds = |days: Option<Period>| days.is_some_and(|days| days.contains(day));
            assert_eq!(
                ground.in_force_on(day),
                holds(days) && holds(ground.own_days),
                "{} {day}",
                ground.id
            );
        }
    }
}

#[test]
fn the_examples_of_the_release_hold_whenever_a_municipality_begins() {
    let since_2031 = P3_ON.replace("2025-01-01", "2031-09-01");
    let policy = with_school_rule(&[("profiles.yaml", P3_OFF, &since_2031)])
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert!(check(&policy).passed(), "{}", check(&policy));
    let rule = policy.rules().get(&"school.often".parse().unwrap());
    let first_day = rule.unwrap().in_force.from();
    assert_eq!(first_day, date(2031, 9, 1), "and it judges from that day");
}

#[test]
fn a_rule_that_waits_for_what_nobody_may_send_is_told() {
    const P2_ON: &str = "    on: { since: 2025-01-01, by: Directeur Jeugd }\n";
    let text = Files::shipped().get("profiles.yaml").to_owned();
    let (before, rest) = text.split_once("  - id: P2\n").unwrap();
    let (profile, after) = rest.split_once("  - id: P2-address\n").unwrap();
    let (kept, _) = profile.split_once("    off_because:").unwrap();
    let on = format!("{before}  - id: P2\n{kept}{P2_ON}\n  - id: P2-address\n{after}");
    let files = Files::shipped().with("profiles.yaml", &on);
    let policy = Policy::of_files(&files, PolicyErrors::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    let told = |policy: &Policy, kinds: &[&str]| {
        let sent = kinds.iter().map(|kind| kind.parse().unwrap()).collect();
        let told: Vec<String> = unfed(policy, &sent)
            .iter()
            .map(ToString::to_string)
            .collect();
        told.join("\n")
    };
    expect![[r#"rules/youth.followup.yaml: rule `youth.followup` waits for youth_contact_confirmation, and no partner may send that: it never concludes that nothing came"#]]
        .assert_eq(&told(&policy, &["rent_arrears", "youth_index_report"]));
    assert_eq!(told(&policy, &["youth_contact_confirmation"]), "");
    assert_eq!(
        told(&Policy::shipped(), &[]),
        "",
        "a rule that is off waits for nothing"
    );
}

#[test]
fn a_report_about_a_youth_ends_on_the_23rd_birthday_or_after_two_years() {
    let policy = Policy::shipped();
    let ends = |kind: &str, born_on| {
        let kind = policy.catalogue().find(kind).unwrap();
        kind.ends_on(date(2025, 3, 10), born_on)
    };
    let report = "youth_index_report";
    assert_eq!(ends(report, date(2003, 6, 1)), Some(date(2026, 6, 1)));
    assert_eq!(
        ends(report, date(2001, 6, 1)),
        Some(date(2024, 6, 1)),
        "too old already"
    );
    assert_eq!(ends(report, date(2004, 2, 29)), Some(date(2027, 2, 28)));
    assert_eq!(
        ends(report, date(2004, 3, 10)),
        None,
        "its retention ends no later"
    );
    assert_eq!(
        ends(report, date(2012, 6, 1)),
        None,
        "and says nothing of when"
    );
    assert_eq!(ends("rent_arrears", date(2003, 6, 1)), None);
}
