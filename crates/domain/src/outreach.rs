//! What a team does: purposes, tasks, contact attempts and the official results.

use crate::code::code_list;

code_list!(
    /// What a task is for. A household has at most one open task per purpose (I8), and evidence joins a task only where the
    /// purpose's legal ground covers it (K1).
    Purpose ("purposes") {
        /// Offering debt help early (Wgs art. 3(1)(b)).
        DebtHelp = "debt_help", "Vroegsignalering schulden";
        /// Compulsory education (Leerplichtwet art. 21–22).
        SchoolAttendance = "school_attendance", "Leerplicht";
        /// The reference index (Jeugdwet §7.1).
        YouthIndex = "youth_index", "Verwijsindex";
        /// Joint help across domains, once the law or consent allows it.
        JointHelp = "joint_help", "Eén gezin, één plan";
        /// Safety: only ever on the safety desk (I10, K11).
        Safety = "safety", "Veiligheid";
    }
);

code_list!(
    /// How soon a task wants attention; later variants are more urgent.
    Urgency ("urgencies") {
        /// A letter or message will do.
        Routine = "routine", "gewoon";
        /// A call or visit is better.
        Raised = "raised", "verhoogd";
        /// A threatening situation: first conversation within three working days (Wgs art. 4(2)).
        Crisis = "crisis", "spoed";
        /// Past the last moment at which it could still help (M7).
        Escalated = "escalated", "direct";
    }
);

code_list!(
    /// Where a task stands.
    TaskState ("task states") {
        /// Raised, nobody has it.
        Open = "open", "open";
        /// A colleague has it.
        Claimed = "claimed", "opgepakt";
        /// Ended with a result.
        Closed = "closed", "afgerond";
        /// Lost all its grounds before anybody took it (K10).
        Withdrawn = "withdrawn", "vervallen";
        /// Went on in another task when two households turned out to be one (K10).
        Merged = "merged", "samengevoegd";
    }
);

impl TaskState {
    /// Whether the task still asks for something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Claimed)
    }
}

code_list!(
    /// How contact was tried: the official list (DDAS `EnumContactsoort`, v0.9 and v1.2 together).
    ContactChannel ("contact channels") {
        /// E-mail.
        Email = "email", "Mail";
        /// Letter.
        Letter = "letter", "Brief";
        /// Text message.
        TextMessage = "text_message", "SMS/Whatsapp";
        /// Telephone.
        Telephone = "telephone", "Telefoon";
        /// Home visit.
        HomeVisit = "home_visit", "Huisbezoek";
        /// Card through the door.
        CallingCard = "calling_card", "Kaartje";
        /// Appointment elsewhere.
        Appointment = "appointment", "Afspraak op locatie";
        /// Desk work only.
        Administrative = "administrative", "Administratief";
        /// Anything else.
        Other = "other", "Overige";
    }
);

code_list!(
    /// Part of day (DDAS `EnumDagdeel`).
    DayPart ("parts of day") {
        /// Until noon.
        Morning = "morning", "Ochtend";
        /// Until six.
        Afternoon = "afternoon", "Middag";
        /// After six.
        Evening = "evening", "Avond";
    }
);

code_list!(
    /// How a task ended: the official list (DDAS `EnumEindresultaat`). Where v0.9 and v1.2 differ, one internal code stands for
    /// both spellings and the versioned reader and writer translate.
    Outcome ("outcomes") {
        /// Repeat of what was handled.
        RepeatedSignal = "repeated_signal", "Niet opgepakt: herhaalde melding";
        /// Should not have been sent.
        WrongfulSignal = "wrongful_signal", "Niet opgepakt: onterecht signaal";
        /// The resident has died.
        Deceased = "deceased", "Inwoner is overleden";
        /// Does not live here (any more).
        NotResident = "not_resident", "Persoon is geen inwoner (meer) in de gemeente";
        /// Not taken up for another reason.
        NotTakenUp = "not_taken_up", "Niet opgepakt: andere reden";
        /// Known to debt help.
        KnownToDebtHelp = "known_to_debt_help", "Inwoner al bekend bij schuldhulpverlening";
        /// In another programme.
        OtherTrack = "other_track", "Inwoner heeft al een ander lopend traject";
        /// Never reached.
        NoContact = "no_contact", "Definitief geen contact kunnen krijgen";
        /// No answer after an earlier contact.
        NoReply = "no_reply", "Geen reactie na eerder contact";
        /// Wants no help.
        NeedsNoHelp = "needs_no_help", "Inwoner regelt het zelf/hoeft geen hulp vanuit vroegsignalering";
        /// Paid or arranged it.
        PaidOrArranged = "paid_or_arranged", "Inwoner heeft zelf al betaald/betalingsregeling getroffen";
        /// Advice, done within thirty days.
        QuickFix = "quick_fix", "(Budget)advies en/of quick fix";
        /// Financial follow-up.
        FinancialHelp = "financial_help", "Vervolghulp en/of verwijzing financieel";
        /// Other follow-up.
        OtherHelp = "other_help", "Vervolghulp en/of verwijzing niet financieel";
        /// Referred without having spoken.
        ReferredWithoutContact = "referred_without_contact", "Verwijzing zonder tussenkomst inwoner";
    }
);

code_list!(
    /// Why outreach at a household is held. Never shown outside the safety desk: every hold reads alike (K11).
    HoldReason ("hold reasons") {
        /// Acute or structural unsafety (I10).
        Safety = "safety", "veiligheid";
        /// The resident objected.
        Objection = "objection", "bezwaar";
        /// Going there is not safe.
        UnsafeToVisit = "unsafe_to_visit", "niet veilig om langs te gaan";
    }
);

code_list!(
    /// What a colleague may do.
    Role ("roles") {
        /// Works tasks of the teams they are in.
        TeamMember = "team_member", "wijkteammedewerker";
        /// Works the safety desk; alone lifts a hold (K11).
        SafetyDesk = "safety_desk", "veiligheidsdesk";
        /// Runs the system; sees counts, never people.
        Operations = "operations", "beheer";
        /// Answers for who opens what; the log of it is read at the command line (`voorveld audit`).
        PrivacyOfficer = "privacy_officer", "functionaris gegevensbescherming";
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_labels_are_unique() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.code().parse(), Ok(*outcome));
        }
        let labels: std::collections::BTreeSet<_> =
            Outcome::ALL.iter().map(|outcome| outcome.label()).collect();
        assert_eq!(labels.len(), Outcome::ALL.len());
        assert!(Urgency::Routine < Urgency::Escalated);
    }
}
