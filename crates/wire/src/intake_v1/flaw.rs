//! What can be wrong with a claim: closed lists, in plain Dutch, without the value.

use std::borrow::Cow;

/// Declares a closed list of codes, each with what a person may do about it, in plain Dutch.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $expected:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $variant),+ }

        impl $name {
            /// Every code, in the order of `docs/api.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// What was expected or what to do, in plain Dutch.
            #[must_use]
            pub const fn expected(self) -> &'static str {
                match self { $(Self::$variant => $expected),+ }
            }
        }
    };
}

codes! {
    /// Why a claim is refused.
    FlawCode {
        /// No reference (S1).
        ReferenceMissing = "reference_missing", "Geef elk signaal een eigen kenmerk.";
        /// A value that must be there is not.
        Required = "required", "Vul dit veld in.";
        /// Another JSON type.
        WrongType = "wrong_type", "Gebruik het soort waarde dat bij dit veld hoort.";
        /// A field nobody knows.
        FieldUnknown = "field_unknown", "Dit veld kennen wij niet. Haal het weg of verbeter de naam.";
        /// A text longer than it may be.
        TooLong = "too_long", "Maak de tekst korter.";
        /// Control characters, or letters where they cannot be.
        TextNotAllowed = "text_not_allowed", "Gebruik gewone letters, cijfers en leestekens.";
        /// A cell that a spreadsheet would run.
        Formula = "formula", "Zet hier een gewone waarde neer, geen formule. Begin niet met =, +, - of @.";
        /// No date.
        DateFormat = "date_format", "Schrijf de datum als 31-12-2026 of 2026-12-31.";
        /// A date that nobody alive has to do with.
        DateRange = "date_range", "Een datum ligt tussen 1900 en 2199. Controleer het jaar.";
        /// No amount.
        AmountFormat = "amount_format", "Schrijf het bedrag als 1234,50.";
        /// Below zero or absurdly high.
        AmountRange = "amount_range", "Een bedrag ligt tussen € 0,01 en € 10.000.000,00.";
        /// An amount with a kind that has none.
        AmountNotAllowed = "amount_not_allowed", "Dit soort signaal heeft geen bedrag. Laat het weg.";
        /// No whole number.
        NumberFormat = "number_format", "Schrijf een heel getal, zonder punten of letters.";
        /// Neither yes nor no.
        BooleanFormat = "boolean_format", "Schrijf ja of nee.";
        /// Not on the list of codes.
        CodeUnknown = "code_unknown", "Kies een waarde uit de lijst.";
        /// No BSN.
        BsnFormat = "bsn_format", "Een BSN heeft negen cijfers.";
        /// Names nobody and no place.
        PersonMissing = "person_missing", "Noem de persoon of het adres: een BSN, of een postcode met huisnummer, of een naam.";
        /// Kind not in the catalogue (S6).
        KindUnknown = "kind_unknown", "Dit soort signaal kennen wij niet. Kies een soort uit de lijst.";
        /// Kind not agreed with this partner (S6).
        KindNotAllowed = "kind_not_allowed", "Dit soort signaal is niet met u afgesproken.";
        /// No legal ground at that date (S6, I7).
        NoLegalGround = "no_legal_ground", "Voor dit soort signaal is er geen wettelijke grondslag. Stuur het niet.";
        /// Partner type not on the list.
        PartnerTypeUnknown = "partner_type_unknown", "Kies een partnersoort uit de officiële lijst.";
        /// Partner type that is not this partner's, or does not go with the kind.
        PartnerTypeNotAllowed = "partner_type_not_allowed", "Deze partnersoort hoort niet bij u of niet bij dit soort signaal.";
        /// The partner acts as several types and did not say which.
        PartnerTypeNeeded = "partner_type_needed", "Zeg namens welke partnersoort u dit signaal stuurt.";
        /// No municipality code.
        MunicipalityFormat = "municipality_format", "Een gemeentecode heeft vier cijfers, zoals 0518.";
        /// Not served here, or not agreed with this partner (S6).
        MunicipalityNotServed = "municipality_not_served", "Voor deze gemeente kunt u hier geen signalen sturen.";
        /// Younger than the kind wants (S6).
        ArrearsTooYoung = "arrears_too_young", "De achterstand is nog te kort geleden ontstaan voor dit soort signaal.";
        /// Older than the kind allows (S6).
        ArrearsTooOld = "arrears_too_old", "De achterstand is te lang geleden ontstaan voor dit soort signaal.";
        /// Older than its retention (S6).
        OlderThanRetention = "older_than_retention", "Dit signaal is ouder dan wij het mogen bewaren. Stuur het niet.";
        /// Dated in the future (S6).
        InFuture = "in_future", "De datum ligt in de toekomst.";
        /// Withdrawn, and only a correction revives (S2).
        Withdrawn = "withdrawn", "U hebt dit signaal ingetrokken. Alleen een correctie (PUT) maakt het weer geldig.";
        /// A correction that names another reference or municipality than the signal's own.
        ReferenceFixed = "reference_fixed", "Het kenmerk en de gemeente van een signaal liggen vast. Stuur een nieuw signaal en trek dit in.";
        /// A row that is longer than it may be.
        RowTooLong = "row_too_long", "Deze regel is te lang. Controleer de aanhalingstekens en het scheidingsteken.";
        /// A row of a UTF-8 file with bytes that are no letters.
        RowNotText = "row_not_text", "Op deze regel staan tekens die wij niet kunnen lezen. Sla het bestand op als UTF-8.";
        /// More or fewer cells than headings.
        CellCount = "cell_count", "Deze regel heeft niet evenveel kolommen als de kopregel.";
        /// A quotation mark that is never closed.
        QuoteUnclosed = "quote_unclosed", "Een aanhalingsteken op deze regel wordt niet gesloten.";
        /// Not the JSON object it should be.
        NotAnObject = "not_an_object", "Hier hoort één JSON-object te staan.";
    }
}

codes! {
    /// What is odd but not refused.
    WarningCode {
        /// The BSN fails the eleven-test (S6).
        BsnElevenTest = "bsn_eleven_test", "Dit BSN klopt niet volgens de elfproef. Controleer het nummer.";
        /// The age could not be checked (S6).
        AgeUnknown = "age_unknown", "Er is geen ontstaansdatum. Wij konden niet controleren hoe oud de achterstand is.";
        /// No postcode with house number: the signal waits for a person to place it.
        AddressIncomplete = "address_incomplete", "Er is geen geldige postcode met huisnummer. Het signaal blijft liggen tot het adres bekend is.";
    }
}

impl FlawCode {
    /// Whether nothing at all could be read, so that what is missing says nothing more.
    #[must_use]
    pub const fn leaves_nothing(self) -> bool {
        matches!(
            self,
            Self::RowTooLong
                | Self::RowNotText
                | Self::CellCount
                | Self::QuoteUnclosed
                | Self::NotAnObject
        )
    }
}

/// One thing that is wrong: where, what, and what was expected. Never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where, in the words of the format: a JSON Pointer, or a column's own name. Empty: the whole.
    pub place: String,
    /// What is wrong.
    pub code: FlawCode,
    /// What was expected or what to do, in plain Dutch.
    pub expected: Cow<'static, str>,
}

impl Flaw {
    /// A flaw with the usual words.
    pub fn new(place: impl Into<String>, code: FlawCode) -> Self {
        Self {
            place: place.into(),
            code,
            expected: Cow::Borrowed(code.expected()),
        }
    }

    /// Says more precisely what was expected.
    #[must_use]
    pub fn expecting(mut self, expected: impl Into<Cow<'static, str>>) -> Self {
        self.expected = expected.into();
        self
    }
}

/// One thing that is odd: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where, as in [`Flaw::place`].
    pub place: String,
    /// What is odd.
    pub code: WarningCode,
}
