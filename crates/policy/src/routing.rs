//! Which team gets a task (`routing.yaml`): postcode to area to team.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::Deserialize;
use voorveld_domain::{AreaId, Purpose, TeamId};

use crate::error::PolicyErrors;
use crate::yaml::{Code, Located, Parsed, read_whole};

const FILE: &str = "routing.yaml";
/// Tasks a week that a team can say it can do.
const CAPACITY: RangeInclusive<u32> = 1..=10_000;
/// The postcodes there are.
const POSTCODES: RangeInclusive<u16> = 1_000..=9_999;

/// A team that takes tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// What it is called on screen.
    pub name: String,
    /// What it takes.
    pub purposes: BTreeSet<Purpose>,
    /// How many tasks it can do in a week, as the municipality says; a forecast is held against it. †
    pub capacity_per_week: Option<u32>,
}

/// A neighbourhood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Its id.
    pub id: AreaId,
    /// What it is called on screen.
    pub name: String,
    /// Its team; `None` for the default area.
    pub team: Option<TeamId>,
}

/// Which team gets a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    teams: BTreeMap<TeamId, Team>,
    areas: BTreeMap<AreaId, Area>,
    /// Disjoint, sorted by their first postcode.
    ranges: Vec<(RangeInclusive<u16>, AreaId)>,
    default_area: AreaId,
    default_team: TeamId,
    safety_desk: TeamId,
}

impl Routing {
    /// The area of the four digits of a postcode; the default area when they belong to none or are not known.
    #[must_use]
    pub fn area(&self, postcode_digits: Option<u16>) -> &AreaId {
        let found = postcode_digits.and_then(|digits| {
            let after = self
                .ranges
                .partition_point(|(range, _)| *range.start() <= digits);
            let (range, area) = &self.ranges[after.checked_sub(1)?];
            range.contains(&digits).then_some(area)
        });
        found.unwrap_or(&self.default_area)
    }

    /// The team of an area for a purpose. Safety goes to the safety desk wherever it is (K11); an area that is no longer in the
    /// file, and a purpose that its team does not take, go to the default team.
    #[must_use]
    pub fn team(&self, area: &AreaId, purpose: Purpose) -> &TeamId {
        if purpose == Purpose::Safety {
            return &self.safety_desk;
        }
        self.areas
            .get(area)
            .and_then(|area| self.teams.get(area.team.as_ref()?))
            .filter(|team| team.purposes.contains(&purpose))
            .map_or(&self.default_team, |team| &team.id)
    }

    /// The area and team for an address and a purpose.
    #[must_use]
    pub fn route(&self, postcode_digits: Option<u16>, purpose: Purpose) -> (&AreaId, &TeamId) {
        let area = self.area(postcode_digits);
        (area, self.team(area, purpose))
    }

    /// All teams, in order of id.
    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    /// All areas, the default one too, in order of id.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.values()
    }

    /// The team with this id.
    #[must_use]
    pub fn find_team(&self, id: &TeamId) -> Option<&Team> {
        self.teams.get(id)
    }

    /// The area with this id.
    #[must_use]
    pub fn find_area(&self, id: &AreaId) -> Option<&Area> {
        self.areas.get(id)
    }

    /// The only team that sees safety markers.
    #[must_use]
    pub const fn safety_desk(&self) -> &TeamId {
        &self.safety_desk
    }

    pub(crate) fn read(text: &str, errors: &mut PolicyErrors) -> Option<Self> {
        let item: Located<RoutingFile> = read_whole(FILE, text, errors)?;
        let file = &item.value;
        let mut say = |line: usize, message: String| errors.push(FILE, Some(line), message);

        let mut teams = BTreeMap::new();
        for team in &file.teams {
            let Parsed(id) = team.id.clone();
            let read = Team {
                id: id.clone(),
                name: team.name.clone(),
                purposes: team.purposes.iter().map(|purpose| purpose.0).collect(),
                capacity_per_week: team.capacity_per_week,
            };
            if team
                .capacity_per_week
                .is_some_and(|tasks| !CAPACITY.contains(&tasks))
            {
                say(
                    item.line_with(&format!("id: {id}")),
                    format!(
                        "team `{id}`: capacity_per_week: expected {} to {} tasks",
                        CAPACITY.start(),
                        CAPACITY.end()
                    ),
                );
            }
            if teams.insert(id.clone(), read).is_some() {
                say(
                    item.line_with(&format!("id: {id}")),
                    format!("team `{id}` is there twice"),
                );
            }
        }
        for (key, Parsed(id)) in [
            ("default_team", &file.default_team),
            ("safety_desk", &file.safety_desk),
        ] {
            if !teams.contains_key(id) {
                say(item.line_of(key), format!("`{id}` is not one of the teams"));
            }
        }
        for team in teams.values() {
            let takes_safety = team.purposes.contains(&Purpose::Safety);
            let is_desk = team.id == file.safety_desk.0;
            if takes_safety != is_desk {
                say(
                    item.line_with(&format!("id: {}", team.id)),
                    format!(
                        "team `{}`: the safety desk takes the purpose safety, and no other team does (K11)",
                        team.id
                    ),
                );
            }
            if is_desk && team.purposes.len() > 1 {
                say(
                    item.line_with(&format!("id: {}", team.id)),
                    "the safety desk takes no purpose but safety".to_owned(),
                );
            }
        }

        let Parsed(default_area) = file.default_area.id.clone();
        let mut areas = BTreeMap::from([(
            default_area.clone(),
            Area {
                id: default_area.clone(),
                name: file.default_area.name.clone(),
                team: None,
            },
        )]);
        let mut ranges = Vec::new();
        for area in &file.areas {
            let (Parsed(id), Parsed(team)) = (area.id.clone(), area.team.clone());
            let line = item.line_with(&format!("id: {id}"));
            if !teams.contains_key(&team) {
                say(
                    line,
                    format!("area `{id}`: `{team}` is not one of the teams"),
                );
            }
            for raw in &area.postcodes {
                match parse_postcodes(raw) {
                    Some(range) => ranges.push((range, id.clone())),
                    None => say(
                        line,
                        format!(
                            "area `{id}`: `{raw}`: expected a postcode (\"1234\"), a range (\"1000-1099\") or a prefix (\"10\")"
                        ),
                    ),
                }
            }
            let read = Area {
                id: id.clone(),
                name: area.name.clone(),
                team: Some(team),
            };
            if areas.insert(id.clone(), read).is_some() {
                say(line, format!("area `{id}` is there twice"));
            }
        }
        ranges.sort_by_key(|(range, _)| (*range.start(), *range.end()));
        for pair in ranges.windows(2) {
            let ((one, first), (other, second)) = (&pair[0], &pair[1]);
            if other.start() <= one.end() {
                say(
                    item.line_with(&format!("id: {second}")),
                    format!(
                        "postcode {} belongs to area `{first}` and to area `{second}`",
                        other.start()
                    ),
                );
            }
        }
        Some(Self {
            teams,
            areas,
            ranges,
            default_area,
            default_team: file.default_team.0.clone(),
            safety_desk: file.safety_desk.0.clone(),
        })
    }

    /// Every purpose that a rule raises for has a team that takes it wherever the household lives.
    pub(crate) fn check_purposes(&self, purposes: &BTreeSet<Purpose>, errors: &mut PolicyErrors) {
        let Some(team) = self.teams.get(&self.default_team) else {
            return;
        };
        for purpose in purposes
            .iter()
            .filter(|purpose| **purpose != Purpose::Safety)
        {
            if !team.purposes.contains(purpose) {
                errors.push(
                    FILE,
                    None,
                    format_args!("default_team `{}` does not take `{purpose}`, for which a rule raises tasks", team.id),
                );
            }
        }
    }
}

fn parse_postcodes(raw: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| {
        let fits =
            !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let range = match raw.split_once('-') {
        Some((from, to)) if from.len() == 4 && to.len() == 4 => number(from)?..=number(to)?,
        Some(_) => return None,
        None => {
            let missing = u32::try_from(4_usize.checked_sub(raw.len())?).ok()?;
            let first = number(raw)? * 10_u16.pow(missing);
            first..=first + (10_u16.pow(missing) - 1)
        }
    };
    (range.start() <= range.end()
        && POSTCODES.contains(range.start())
        && POSTCODES.contains(range.end()))
    .then_some(range)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutingFile {
    teams: Vec<TeamFile>,
    default_team: Parsed<TeamId>,
    safety_desk: Parsed<TeamId>,
    default_area: DefaultAreaFile,
    areas: Vec<AreaFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamFile {
    id: Parsed<TeamId>,
    name: String,
    purposes: Vec<Code<Purpose>>,
    capacity_per_week: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultAreaFile {
    id: Parsed<AreaId>,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaFile {
    id: Parsed<AreaId>,
    name: String,
    postcodes: Vec<String>,
    team: Parsed<TeamId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Purpose::{DebtHelp, Safety, YouthIndex};

    #[test]
    fn postcodes_are_a_code_a_range_or_a_prefix() {
        for (raw, expected) in [
            ("1234", Some(1234..=1234)),
            ("1000-1099", Some(1000..=1099)),
            ("10", Some(1000..=1099)),
            ("1", Some(1000..=1999)),
            ("999", Some(9990..=9999)),
            ("0", None),
            ("", None),
            ("0999", None),
            ("12345", None),
            ("1099-1000", None),
            ("10-11", None),
            ("1234AB", None),
        ] {
            assert_eq!(parse_postcodes(raw), expected, "{raw}");
        }
    }

    const TEXT: &str = r#"
teams:
  - { id: noord, name: Noord, purposes: [debt_help] }
  - { id: rest, name: Rest, purposes: [debt_help, youth_index] }
  - { id: desk, name: Desk, purposes: [safety] }
default_team: rest
safety_desk: desk
default_area: { id: elders, name: Elders }
areas:
  - { id: a, name: A, postcodes: ["12", "1400-1450"], team: noord }
  - { id: b, name: B, postcodes: ["1300"], team: noord }
"#;

    #[test]
    fn a_postcode_finds_its_area_and_a_purpose_its_team() {
        let mut errors = PolicyErrors::default();
        let routing = Routing::read(TEXT, &mut errors).unwrap();
        assert!(errors.is_empty(), "{errors}");
        for (postcode, purpose, area, team) in [
            (Some(1199), DebtHelp, "elders", "rest"),
            (Some(1200), DebtHelp, "a", "noord"),
            (Some(1299), DebtHelp, "a", "noord"),
            (Some(1300), DebtHelp, "b", "noord"),
            (Some(1301), DebtHelp, "elders", "rest"),
            (Some(1450), YouthIndex, "a", "rest"),
            (Some(1451), DebtHelp, "elders", "rest"),
            (Some(1200), Safety, "a", "desk"),
            (None, DebtHelp, "elders", "rest"),
            (Some(999), DebtHelp, "elders", "rest"),
        ] {
            let (found_area, found_team) = routing.route(postcode, purpose);
            assert_eq!(
                (found_area.as_str(), found_team.as_str()),
                (area, team),
                "{postcode:?} {purpose}"
            );
        }
    }

    #[test]
    fn every_mistake_in_routing_is_named() {
        let text = TEXT
            .replace("[safety]", "[safety, debt_help]")
            .replace("[debt_help] }", "[debt_help], capacity_per_week: 0 }")
            .replace("[debt_help, youth_index]", "[safety]")
            .replace("default_team: rest", "default_team: nobody")
            .replace("\"1300\"", "\"1300\", \"1299\", \"x\"")
            .replace("team: noord }\n  - { id: b", "team: zuid }\n  - { id: b");
        let mut errors = PolicyErrors::default();
        Routing::read(&text, &mut errors);
        let shown = errors.unless_empty(None::<()>).unwrap_err().to_string();
        expect_test::expect![[r#"
            routing.yaml:3: team `noord`: capacity_per_week: expected 1 to 10000 tasks
            routing.yaml:4: team `rest`: the safety desk takes the purpose safety, and no other team does (K11)
            routing.yaml:5: the safety desk takes no purpose but safety
            routing.yaml:6: `nobody` is not one of the teams
            routing.yaml:10: area `a`: `zuid` is not one of the teams
            routing.yaml:11: area `b`: `x`: expected a postcode ("1234"), a range ("1000-1099") or a prefix ("10")
            routing.yaml:11: postcode 1299 belongs to area `a` and to area `b`"#]].assert_eq(&shown);
    }
}
