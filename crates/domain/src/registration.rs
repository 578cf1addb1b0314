//! What people write down about a household or a person that the rules must heed: objection, known client, exclusion.

use std::fmt;

use crate::code::code_list;

code_list!(
    /// What sort of thing is registered.
    RegistrationKind ("kinds of registration") {
        /// The resident objects to early signalling (AVG art. 21): signals stop counting everywhere (S4, I5).
        Objection = "objection", "bezwaar";
        /// Debt help or another programme has a case already (Wgs art. 8d): noted on tasks, never a reason to withdraw one.
        KnownClient = "known_client", "bekend";
        /// For an official reason nobody is to be approached: nothing is raised.
        Exclusion = "exclusion", "uitgesloten";
    }
);

code_list!(
    /// Why something is registered. Each reason belongs to one kind ([`RegistrationReason::kind`]); those of an exclusion are the official ones
    /// (GGM `EnumSignaalstatus` and its list *andere reden*), but for a shortage of staff: that is no fact about anybody.
    RegistrationReason ("reasons of a registration") {
        /// The resident said so.
        ByResident = "by_resident", "de inwoner maakt bezwaar";
        /// Somebody who acts for the resident said so.
        ByRepresentative = "by_representative", "een vertegenwoordiger maakt bezwaar";
        /// Debt help has an open case.
        DebtHelp = "debt_help", "bekend bij schuldhulpverlening";
        /// Another programme runs.
        OtherTrack = "other_track", "ander lopend traject";
        /// Has died.
        Deceased = "deceased", "overleden";
        /// Does not live here (any more).
        NotResident = "not_resident", "geen inwoner (meer)";
        /// Is not a natural person.
        LegalPerson = "legal_person", "rechtspersoon";
        /// Is detained.
        Detention = "detention", "gedetineerd";
        /// Resides here unlawfully.
        UnlawfulResidence = "unlawful_residence", "geen rechtmatig verblijf";
        /// Nobody knows where.
        WhereaboutsUnknown = "whereabouts_unknown", "verblijfplaats onbekend";
        /// Going there is not safe: a hold (K11), which reads like any other.
        UnsafeToVisit = "unsafe_to_visit", "niet veilig om langs te gaan";
    }
);

impl RegistrationReason {
    /// The kind it belongs to.
    #[must_use]
    pub const fn kind(self) -> RegistrationKind {
        match self {
            Self::ByResident | Self::ByRepresentative => RegistrationKind::Objection,
            Self::DebtHelp | Self::OtherTrack => RegistrationKind::KnownClient,
            Self::Deceased
            | Self::NotResident
            | Self::LegalPerson
            | Self::Detention
            | Self::UnlawfulResidence
            | Self::WhereaboutsUnknown
            | Self::UnsafeToVisit => RegistrationKind::Exclusion,
        }
    }

    /// Whether it can have a last day. An objection stands until somebody revokes it, a death for good, and a hold until the safety desk lifts it.
    #[must_use]
    pub const fn may_end(self) -> bool {
        !matches!(
            self,
            Self::ByResident | Self::ByRepresentative | Self::Deceased | Self::UnsafeToVisit
        )
    }

    /// Whether it holds the household (K11) instead of muting what is raised about it.
    #[must_use]
    pub const fn is_hold(self) -> bool {
        matches!(self, Self::UnsafeToVisit)
    }
}

code_list!(
    /// Why a registration stands no more.
    RevocationReason ("reasons of a revocation") {
        /// The resident took it back.
        TakenBack = "taken_back", "ingetrokken door de inwoner";
        /// The objection was rejected on compelling grounds (AVG art. 21(1)).
        Rejected = "rejected", "bezwaar afgewezen";
        /// The case, or what excluded somebody, is over.
        Ended = "ended", "voorbij";
        /// It should not have been registered.
        Mistaken = "mistaken", "ten onrechte vastgelegd";
    }
);

/// The number of a file of the municipality's own, so that a registration is found back there: 2 to 32 capitals, digits, hyphens, points and slashes, with a
/// digit. What could be a BSN is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCode(String);

/// A text that is no file number. Carries no value: the value may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 2 to 32 letters, digits, hyphens, points or slashes, with a digit, and no BSN")]
pub struct FileCodeError;

impl FileCode {
    const MAX_CHARS: usize = 32;
    /// A BSN has nine digits, eight where the first one was dropped.
    const BSN_DIGITS: [usize; 2] = [8, 9];

    /// The number as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for FileCode {
    type Err = FileCodeError;
    fn from_str(raw: &str) -> Result<Self, FileCodeError> {
        let code = raw.trim().to_ascii_uppercase();
        let digits = code.bytes().filter(u8::is_ascii_digit).count();
        let letters = code.bytes().filter(u8::is_ascii_uppercase).count();
        let fits = (2..=Self::MAX_CHARS).contains(&code.len())
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte))
            && digits > 0
            && !(letters == 0 && Self::BSN_DIGITS.contains(&digits));
        if fits {
            Ok(Self(code))
        } else {
            Err(FileCodeError)
        }
    }
}

impl fmt::Display for FileCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_reasons() {
        for kind in RegistrationKind::ALL {
            let reasons = RegistrationReason::ALL
                .iter()
                .filter(|reason| reason.kind() == *kind);
            assert!(reasons.count() >= 2, "{kind}");
        }
    }

    #[test]
    fn a_file_number_is_no_name_and_no_bsn() {
        for (raw, fits) in [
            ("Z-2026/00123", true),
            ("b26.17", true),
            ("De Vries", false),
            ("devries", false),
            ("123456782", false),
            ("1234.56.782", false),
            ("12345678", false),
            ("2026-0001234", true),
            ("1", false),
            ("Z1234567890123456789012345678901234", false),
        ] {
            assert_eq!(raw.parse::<FileCode>().is_ok(), fits, "{raw}");
        }
    }
}
