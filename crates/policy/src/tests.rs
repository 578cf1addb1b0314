//! The shipped files, and what becomes of broken ones.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect_test writes them when it renews a text"
)]

use expect_test::{Expect, expect};

use super::*;

mod gate;
mod language;

#[test]
fn the_shipped_files_load_and_every_example_comes_out() {
    let policy = Policy::of_files(&Files::shipped(), PolicyErrors::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    let report = check(&policy);
    assert!(report.passed(), "{report}");
    let ids: Vec<&str> = policy
        .rules()
        .rules()
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "debt.consecutive",
            "debt.crisis",
            "debt.end_of_supply",
            "debt.high_amount",
            "debt.multiple",
            "debt.not_early",
            "debt.repeat_higher",
            "debt.single",
            "debt.warm_handover",
            "safety.meldcode"
        ]
    );
}

/// What is said of the shipped files with these texts replaced: (file, what stands there, what stands there instead).
fn said_of(changes: &[(&str, &str, &str)]) -> String {
    let mut files = Files::shipped();
    for (file, from, to) in changes {
        let text = files.get(file).to_owned();
        assert!(text.contains(from), "{file} has no {from}");
        files = files.with(file, text.replacen(from, to, 1));
    }
    match Policy::of_files(&files, PolicyErrors::default()) {
        Ok(policy) => check(&policy).to_string(),
        Err(errors) => errors.to_string(),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "expect! makes the value in place"
)]
fn refuses(changes: &[(&str, &str, &str)], expected: Expect) {
    expected.assert_eq(&said_of(changes));
}

#[test]
fn a_rule_whose_ground_does_not_cover_its_kinds_does_not_load() {
    let multiple = "rules/debt.multiple.yaml";
    // Receives each kind, but does not allow judging them together.
    refuses(
        &[(
            multiple,
            "legal_basis: wgs-early-signals",
            "legal_basis: wgs-fixed-costs",
        )],
        expect![
            "rules/debt.multiple.yaml:9: rule `debt.multiple` joins signals for `debt_help`, but ground `wgs-fixed-costs` (Wgs art. 3 lid 1 onder b; Besluit gemeentelijke schuldhulpverlening § 2 (Stb. 2020, 240)) does not cover `benefits_arrears`, `cak_contribution_arrears`, `cak_health_insurance_arrears`, `duo_arrears`, `energy_arrears`, `eviction_notice`, `health_insurance_arrears`, `health_insurance_end`, `mortgage_arrears`, `rent_arrears`, `supply_end_notice`, `tax_arrears`, `water_arrears` for judging together"
        ],
    );
    // A kind of another domain, not received here.
    refuses(
        &[(
            multiple,
            "{ domains: [debt] }",
            "{ domains: [debt], kinds: [police_care_report] }",
        )],
        expect![
            "rules/debt.multiple.yaml:10: `police_care_report` is not received here: its ground `cross-domain` (Wetsvoorstel aanpak meervoudige problematiek sociaal domein (Wams), nog niet in werking) is not in force here, as profile `P4` is off"
        ],
    );
    // Received, but for another purpose.
    refuses(
        &[(
            multiple,
            "{ domains: [debt] }",
            "{ domains: [debt, safety] }",
        )],
        expect![
            "rules/debt.multiple.yaml:9: rule `debt.multiple` joins signals for `debt_help`, but ground `wgs-early-signals` (Wgs art. 8b (signalen van art. 3 lid 1 onder b en van art. 10)) does not cover `reporting_code_report` for judging together"
        ],
    );
    // The ground itself is not in force, whatever its profile says.
    refuses(
        &[(
            multiple,
            "legal_basis: wgs-early-signals",
            "legal_basis: debt-help-reuse",
        )],
        expect![[r#"
            rules/debt.multiple.yaml:9: ground `debt-help-reuse` (Wgs art. 8d) is not in force here
            rules/debt.multiple.yaml:9: rule `debt.multiple` joins signals for `debt_help`, but ground `debt-help-reuse` (Wgs art. 8d) does not cover `benefits_arrears`, `cak_contribution_arrears`, `cak_health_insurance_arrears`, `duo_arrears`, `energy_arrears`, `eviction_notice`, `health_insurance_arrears`, `health_insurance_end`, `mortgage_arrears`, `rent_arrears`, `supply_end_notice`, `tax_arrears`, `water_arrears` for judging together"#]],
    );
    refuses(
        &[(
            multiple,
            "legal_basis: wgs-early-signals",
            "legal_basis: art-1",
        )],
        expect!["rules/debt.multiple.yaml:9: `art-1` is not a ground of legal.yaml"],
    );
}

#[test]
fn a_rule_that_says_what_cannot_be_is_refused_with_its_line() {
    let (high, crisis, safety) = (
        "rules/debt.high_amount.yaml",
        "rules/debt.crisis.yaml",
        "rules/safety.meldcode.yaml",
    );
    refuses(
        &[
            (high, "amount_at_least: 500", "amount_at_least: 0"),
            (high, "field: monthly_rent", "field: monthly_wage"),
            (high, "{ domains: [debt] }", "{ domains: [debts] }"),
            (crisis, "each_signal: crisis", "each_signal: disaster"),
            (
                safety,
                "name: acute, test: { is: true }",
                "name: acute, test: { at_least: \"1\" }",
            ),
            (
                safety,
                "title: Acute of structurele onveiligheid",
                "title: \"\"",
            ),
            (
                "rules/debt.single.yaml",
                "muted_by: [threshold, repeat, known_client]",
                "muted_by: [treshold]",
            ),
            (
                "rules/debt.multiple.yaml",
                "urgency: raised",
                "urgency: high",
            ),
            (
                "rules/debt.warm_handover.yaml",
                "working_days: 1",
                "working_dayz: 1",
            ),
            ("rules/debt.consecutive.yaml", "version: 1", "version: 0"),
            (
                "rules/debt.end_of_supply.yaml",
                "{ domains: [debt] }",
                "{ kinds: [supply_notice] }",
            ),
        ],
        expect![[r#"
            rules/debt.consecutive.yaml:3: version: expected a whole number from 1, found `0`
            rules/debt.crisis.yaml:12: when.each_signal: unknown word `disaster`, expected `any`, `all`, `any_of`, `not`, `kind`, `domain`, `partner_type`, `crisis`, `warm_handover`, `supply_end`, `amount_at_least`, `amount_at_least_times` or `field`
            rules/debt.end_of_supply.yaml:10: `supply_notice` is not a kind of signals.yaml; did you mean `supply_end_notice`?
            rules/debt.high_amount.yaml:10: no kind in signals.yaml is of domain `debts`; did you mean `debt`?
            rules/debt.high_amount.yaml:15: when.each_signal.any_of.amount_at_least: expected an amount above zero in whole euros, or with cents between quotes, such as 75 or "75.50", found `0`
            rules/debt.high_amount.yaml:16: no kind this rule looks at has a number `monthly_wage`; did you mean `monthly_rent`?
            rules/debt.multiple.yaml:14: raises.urgency: unknown word `high`, expected `routine`, `raised`, `crisis` or `escalated`
            rules/debt.single.yaml:19: muted_by: unknown word `treshold`, expected `threshold`, `repeat`, `known_client` or `unless_risen`; did you mean `threshold`?
            rules/debt.warm_handover.yaml:15: raises.deadline: unknown word `working_dayz`, expected `working_days`, `calendar_days` or `supply_end`; did you mean `working_days`?
            rules/safety.meldcode.yaml:4: title: expected text, found ""
            rules/safety.meldcode.yaml:14: field `acute`: it is yes or no, expected `is` or `present`"#]],
    );
}

#[test]
fn a_hold_belongs_to_safety_and_a_step_to_the_ladder() {
    refuses(
        &[("rules/safety.meldcode.yaml", "holds:", "raises:")],
        expect![
            "rules/safety.meldcode.yaml:8: a hold and the purpose `safety` belong together (I10)"
        ],
    );
    refuses(
        &[("rules/debt.crisis.yaml", "starts_at: 2", "starts_at: 9")],
        expect![
            "rules/debt.crisis.yaml:17: raises.ladder.starts_at: expected a whole number from 1 to 4, found `9`"
        ],
    );
    refuses(
        &[(
            "rules/debt.multiple.yaml",
            "muted_by: [known_client]",
            "muted_by: [threshold]",
        )],
        expect![
            "rules/debt.multiple.yaml:18: the threshold mutes only a lone signal: expected `single_in_month` under `when` (K5)"
        ],
    );
    refuses(
        &[(
            "rules/debt.crisis.yaml",
            "id: debt.crisis",
            "id: debt.multiple",
        )],
        expect![
            "rules/debt.multiple.yaml:2: rule `debt.multiple` is in rules/debt.crisis.yaml already"
        ],
    );
}

#[test]
fn examples_must_show_both_sides_and_name_what_exists() {
    let warm = "rules/debt.warm_handover.yaml";
    refuses(
        &[
            (warm, "match: false", "task: false"),
            (warm, "kind: water_arrears", "kind: water"),
            (
                warm,
                "warm_handover: true }",
                "warm_handover: true, fields: { rent: \"1\" } }",
            ),
        ],
        expect![[r#"
            rules/debt.warm_handover.yaml:19: expected an example with `match: true` and one with `match: false`
            rules/debt.warm_handover.yaml:22: example `De volgende werkdag`: kind `rent_arrears` has no field `rent`; did you mean `monthly_rent`?
            rules/debt.warm_handover.yaml:26: example `Ook bij een klein bedrag`: `water` is not a kind of signals.yaml; did you mean `water_arrears`?"#]],
    );
}

#[test]
fn an_example_that_does_not_come_out_says_what_did() {
    let shown = said_of(&[
        (
            "rules/debt.warm_handover.yaml",
            "due: 2025-01-13, step: 2",
            "due: 2025-01-14, step: 3",
        ),
        (
            "rules/debt.warm_handover.yaml",
            "match: false",
            "match: false, held: true, suppressed_by: repeat, urgency: routine",
        ),
    ]);
    let failing: Vec<&str> = shown
        .lines()
        .filter(|line| {
            !line.starts_with("  ok")
                && (line.starts_with("  FAIL")
                    || line.contains("expected")
                    || line.contains("failed"))
        })
        .collect();
    expect![[r#"
          FAIL De volgende werkdag
               rules/debt.warm_handover.yaml:20: due: expected 2025-01-14, found 2025-01-13
               rules/debt.warm_handover.yaml:20: step: expected 3, found 2
          FAIL Zonder overdracht
               rules/debt.warm_handover.yaml:28: urgency: expected routine, found no task
               rules/debt.warm_handover.yaml:28: held: expected true, found false
               rules/debt.warm_handover.yaml:28: suppressed_by: expected repeat, found 
        22 rules, 109 examples, 2 failed"#]]
    .assert_eq(&failing.join("\n"));
}

#[test]
fn a_kind_that_says_what_cannot_be_is_refused_with_its_line() {
    let file = "signals.yaml";
    refuses(
        &[
            (file, "partner_types: [rent]", "partner_types: [landlord]"),
            (
                file,
                "age_days: { min: 30, max: 100 }",
                "age_days: { min: 100, max: 30 }",
            ),
            (file, "id: mortgage_arrears", "id: duo_arrears"),
            (file, "unit: hour, ", ""),
            (file, "event_date: absent_until", "event_date: absent_since"),
            (
                file,
                "only_with_any: [acute, structural]",
                "only_with_any: [step]",
            ),
            (file, "ground: cross-domain", "ground: crossdomain"),
            (
                file,
                "{ name: supply_ends_on, label: Datum einde levering, type: date",
                "{ name: supply_ends_on, label: Datum einde levering, type: boolean",
            ),
            (file, "retention_days: 365", "retention_days: 1"),
            (
                file,
                "name: Zorg van de huisarts",
                "naam: Zorg van de huisarts",
            ),
        ],
        expect![[r#"
            signals.yaml:20: partner_types: `landlord`: expected one of energy, rent, mortgage, cak_health_insurance, health_insurance, water, duo, tax_administration, cak_contribution, other, benefits_office, school, police, gp, youth_health, debt_help, care
            signals.yaml:79: expected `max` to be at least `min`
            signals.yaml:127: kind `duo_arrears` is there twice
            signals.yaml:173: expected `supply_ends_on` to be a field of type date
            signals.yaml:212: expected `absent_since` to be a field of type date
            signals.yaml:213: expected 30 to 3660 days
            signals.yaml:217: field `hours`: expected a `unit`: euro, hour, day, week, month or count
            signals.yaml:296: expected `step` to be a field of type boolean
            signals.yaml:317: `crossdomain` is not a ground of legal.yaml
            signals.yaml:371: unknown field `naam`, expected one of `id`, `name`, `domain`, `partner_types`, `ddas`, `ground`, `amount`, `age_days`, `crisis`, `event_date`, `only_with_any`, `retention_days`, `until_age`, `fields`"#]],
    );
    refuses(
        &[(
            file,
            "ground: wgs-unnamed-creditors",
            "ground: wgs-fixed-costs",
        )],
        expect![
            "signals.yaml:159: ground `wgs-fixed-costs` (Wgs art. 3 lid 1 onder b; Besluit gemeentelijke schuldhulpverlening § 2 (Stb. 2020, 240)) does not cover kind `other_arrears`"
        ],
    );
    refuses(
        &[(file, "partner_types: [duo]", "partner_types: [duo, rent]")],
        expect!["signals.yaml:131: a DDAS signal of `rent` is of kind `rent_arrears` already"],
    );
}

#[test]
fn a_ground_that_says_what_cannot_be_is_refused_with_its_line() {
    let file = "legal.yaml";
    refuses(
        &[
            (file, "    since: 2021-01-01\n", ""),
            (file, "certainty: own", "certainty: sure"),
            (
                file,
                "kinds: [known_debt_client]",
                "kinds: [known_debt_client, unheard_of]",
            ),
            (file, "id: youth-index", "id: compulsory-education"),
        ],
        expect![[r#"
            legal.yaml:13: ground `wgs-fixed-costs`: expected `since`, or `off_because` with the reason why not
            legal.yaml:41: certainty: unknown variant `sure`, expected one of `read`, `secondary`, `own`
            legal.yaml:162: ground `compulsory-education` is there twice"#]],
    );
    refuses(
        &[(
            file,
            "kinds: [known_debt_client]",
            "kinds: [known_debt_client, unheard_of]",
        )],
        expect!["legal.yaml:229: `unheard_of` is not a kind of signals.yaml"],
    );
    refuses(
        &[(
            file,
            "    since: 2021-01-01\n",
            "    since: 2021-01-01\n    until: 2020-01-01\n    off_because: Nee.\n",
        )],
        expect![[r#"
            legal.yaml:22: expected `until` to come after `since`
            legal.yaml:23: ground `wgs-fixed-costs`: expected `since` or `off_because`, not both"#]],
    );
}

#[test]
fn every_file_is_read_although_another_is_broken() {
    refuses(
        &[
            (
                "settings.yaml",
                "repeat_window_days: 90",
                "repeat_window_days: 0",
            ),
            (
                "settings.yaml",
                "future_tolerance_days: 1",
                "future_tolerance_days: 90",
            ),
            (
                "settings.yaml",
                "ask_partner_after_days: 21",
                "ask_partner_after_days: 0",
            ),
            ("settings.yaml", "after_attempts: 4", "after_attempts: 40"),
            (
                "calendar.yaml",
                "local_days_off: []",
                "local_days_off: [{ on: 2025-02-30, why: Brugdag }]",
            ),
            (
                "routing.yaml",
                "default_team: toegang",
                "default_team: nobody",
            ),
            ("legal.yaml", "grounds:", "grounds: ["),
            ("signals.yaml", "amount: optional", "amount: sometimes"),
        ],
        expect![[r#"
            calendar.yaml:7: on: parsed date is not valid: parameter 'day' for `2025-02` is invalid, must be in range `1..=28`
            routing.yaml:35: `nobody` is not one of the teams
            settings.yaml:10: expected 1 to 730 days
            settings.yaml:16: expected at most 31 days
            settings.yaml:20: expected 1 to 365 days
            settings.yaml:24: expected 1 to 20 attempts within 1 to 365 days
            signals.yaml:23: amount: unknown variant `sometimes`, expected one of `optional`, `required`, `never`"#]],
    );
    refuses(
        &[(
            "settings.yaml",
            "threshold_euros: 75",
            "threshold_euros: 75.5",
        )],
        expect![[
            r#"settings.yaml:6: threshold_euros: invalid type: floating point `75.5`, expected an amount in whole euros, or with cents between quotes, such as 75 or "75.50""#
        ]],
    );
}

#[test]
fn every_purpose_has_a_team_everywhere() {
    refuses(
        &[(
            "routing.yaml",
            "purposes: [debt_help, school_attendance, youth_index, joint_help]",
            "purposes: [youth_index]",
        )],
        expect![[
            r#"routing.yaml: default_team `toegang` does not take `debt_help`, for which a rule raises tasks"#
        ]],
    );
}

#[test]
fn the_identity_of_the_rules_is_what_they_say_and_not_how_they_are_laid_out() {
    let hash = |changes: &[(&str, &str, &str)]| {
        let mut files = Files::shipped();
        for (file, from, to) in changes {
            let text = files.get(file).replacen(from, to, 1);
            assert_ne!(text, files.get(file), "{file} has no {from}");
            files = files.with(file, text);
        }
        Policy::of_files(&files, PolicyErrors::default())
            .unwrap_or_else(|errors| panic!("{errors}"))
            .rules()
            .hash()
    };
    let shipped = hash(&[]);
    let single = "rules/debt.single.yaml";
    for same in [
        (single, "version: 1\n", "# a comment\nversion:   1\n\n"),
        (
            single,
            "looks_at: { domains: [debt] }",
            "looks_at:\n  domains:\n    - debt",
        ),
        (
            single,
            "amount: 450 }\n    expect: { match: true, task: true, urgency",
            "amount: 451 }\n    expect: { match: true, task: true, urgency",
        ),
        ("routing.yaml", "name: Noord", "name: Noorderkwartier"),
    ] {
        assert_eq!(hash(&[same]), shipped, "{same:?}");
    }
    for other in [
        (single, "version: 1", "version: 2"),
        (single, "calendar_days: 14", "calendar_days: 15"),
        (single, "Eén soort signaal", "Eén soort"),
        (
            "settings.yaml",
            "threshold_euros: 75",
            "threshold_euros: 70",
        ),
        ("signals.yaml", "crisis: true\n", "crisis: false\n"),
        // A kind that is received no longer is looked at no longer.
        ("legal.yaml", "id: wgs-other-creditors", "id: wgs-other"),
    ] {
        let changed = if other.0 == "legal.yaml" {
            let ground = "      uw gemeente aan het experiment meedoet, bepaalt de gemeente zelf.\n    certainty: own\n    since: 2021-01-01";
            let off = ground.replace("since: 2021-01-01", "off_because: Wij doen niet mee.");
            hash(&[("legal.yaml", ground, &off)])
        } else {
            hash(&[other])
        };
        assert_ne!(changed, shipped, "{other:?}");
    }
}

#[test]
fn a_directory_of_ones_own_is_enough() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let loaded = Policy::load(&config).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        loaded.canonical_rules(),
        Policy::shipped().canonical_rules()
    );

    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("settings.yaml"), "threshold_euros: 0\nrepeat_window_days: 30\ncak_counts_as_health_insurance: false\nfuture_tolerance_days: 0\n").unwrap();
    let own = Policy::load(directory.path()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(own.settings().threshold, None);
    assert_eq!(own.settings().ask_partner_after_days, None);
    assert_eq!(own.settings().no_contact, None);
    assert_eq!(own.rules().settings().repeat_window_days, 30);
    assert_eq!(own.catalogue(), Policy::shipped().catalogue());
}

#[test]
fn every_official_partner_type_has_its_kind_of_arrears() {
    let policy = Policy::shipped();
    for partner_type in &voorveld_domain::PartnerType::ALL[..11] {
        let kind = policy
            .catalogue()
            .of_ddas(*partner_type)
            .unwrap_or_else(|| panic!("{partner_type}"));
        assert_eq!(kind.domain.as_str(), "debt");
        assert_eq!(kind.default_partner_type(), *partner_type);
    }
    assert!(
        policy
            .catalogue()
            .of_ddas(voorveld_domain::PartnerType::School)
            .is_none()
    );
}

#[test]
fn switching_a_kind_on_or_off_makes_another_set_of_the_same_rules() {
    let policy = |files: &Files| {
        Policy::of_files(files, PolicyErrors::default()).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let shipped = policy(&Files::shipped());
    let legal = Files::shipped().get("legal.yaml").replacen(
        "    certainty: own\n    since: 2021-01-01\n",
        "    certainty: own\n    off_because: Deze gemeente doet niet mee.\n",
        1,
    );
    let other = policy(&Files::shipped().with("legal.yaml", legal));
    assert_ne!(shipped.rules().hash(), other.rules().hash());
    for rule in shipped.rules().rules() {
        assert!(shipped.rules().digest(&rule.id).is_some());
        assert_eq!(
            shipped.rules().digest(&rule.id),
            other.rules().digest(&rule.id),
            "{} says what it said, so its version stays",
            rule.id
        );
    }
}
