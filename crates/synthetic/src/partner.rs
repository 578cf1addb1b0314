//! The organisations of the invented municipality, what they send and how they write it.

use voorveld_domain::PartnerType;

/// How a partner's file looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `;`, decimal comma, `31-12-2026`, `ja`/`nee`, Windows-1252: a spreadsheet program with Dutch settings, some years old.
    DutchCsvWindows1252,
    /// The same in UTF-8 with a byte order mark.
    DutchCsvUtf8,
    /// `,`, decimal point, ISO dates, English headings, UTF-8.
    EnglishCsv,
    /// One sheet with real dates and numbers.
    Xlsx,
    /// One intake claim per line.
    Ndjson,
    /// A DDAS vroegsignalering document, v0.9: name and address of the client.
    Ddas09,
    /// A DDAS vroegsignalering document, v1.2: the client by BSN alone.
    Ddas12,
}

impl Format {
    /// What goes in `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::DutchCsvWindows1252 => "text/csv; charset=windows-1252",
            Self::DutchCsvUtf8 | Self::EnglishCsv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Ndjson => "application/x-ndjson",
            Self::Ddas09 | Self::Ddas12 => "application/json",
        }
    }

    /// What the file's name ends in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::DutchCsvWindows1252 | Self::DutchCsvUtf8 | Self::EnglishCsv => "csv",
            Self::Xlsx => "xlsx",
            Self::Ndjson => "ndjson",
            Self::Ddas09 | Self::Ddas12 => "json",
        }
    }

    /// The number by which a sender counts the first row: a heading takes the first line of a table.
    #[must_use]
    pub const fn first_row(self) -> u64 {
        match self {
            Self::Ndjson | Self::Ddas09 | Self::Ddas12 => 1,
            _ => 2,
        }
    }

    pub(crate) const fn is_ddas(self) -> bool {
        matches!(self, Self::Ddas09 | Self::Ddas12)
    }
}

/// An organisation that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partner {
    /// Its id at the gateway.
    pub id: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// What sort of organisation.
    pub partner_type: PartnerType,
    /// The kinds it may send.
    pub kinds: &'static [&'static str],
    /// How it writes.
    pub format: Format,
    /// On which day of the month its file comes.
    pub delivery_day: i8,
    /// Its part of the arrears, in thousands of the whole.
    pub share: u32,
    /// Begins its references.
    pub reference_prefix: &'static str,
    /// Whether it may and does use citizen service numbers.
    pub knows_bsn: bool,
}

macro_rules! partners {
    ($($id:literal, $name:literal, $type:ident, [$($kind:literal),*], $format:ident, day $day:literal, share $share:literal, $prefix:literal, bsn $bsn:literal;)*) => {
        /// Everybody who sends. Shares by the national figures: 41 of a hundred signals come from health insurers (CAK included), 20 from
        /// landlords, 20 from energy suppliers (a quarter of those announce the end of supply), 19 from the water company.
        pub const PARTNERS: &[Partner] = &[$(Partner {
            id: $id, name: $name, partner_type: PartnerType::$type, kinds: &[$($kind),*], format: Format::$format,
            delivery_day: $day, share: $share, reference_prefix: $prefix, knows_bsn: $bsn,
        }),*];
    };
}
partners! {
    "corporatie-de-brug", "Woningcorporatie De Brug", Rent, ["rent_arrears", "eviction_notice"], DutchCsvWindows1252, day 12, share 120, "DB", bsn false;
    "corporatie-molenhof", "Woonstichting Molenhof", Rent, ["rent_arrears", "eviction_notice"], Xlsx, day 14, share 80, "MH", bsn false;
    "waterbedrijf-de-bron", "Waterbedrijf De Bron", Water, ["water_arrears"], DutchCsvUtf8, day 16, share 190, "WB", bsn false;
    "energie-lichtpunt", "Lichtpunt Energie", Energy, ["energy_arrears", "supply_end_notice"], EnglishCsv, day 9, share 110, "LP", bsn false;
    "energie-warmtebron", "Warmtebron Energie", Energy, ["energy_arrears", "supply_end_notice"], Ndjson, day 11, share 90, "WE", bsn false;
    "zorgverzekeraar-linde", "Linde Zorgverzekeringen", HealthInsurance, ["health_insurance_arrears"], Ddas09, day 18, share 160, "LZ", bsn true;
    "zorgverzekeraar-anker", "Anker Zorgverzekeringen", HealthInsurance, ["health_insurance_arrears", "health_insurance_end"], DutchCsvWindows1252, day 19, share 130, "AZ", bsn true;
    "zorgverzekeraar-haven", "Haven Zorgverzekeringen", HealthInsurance, ["health_insurance_arrears", "health_insurance_end"], DutchCsvUtf8, day 20, share 110, "HZ", bsn true;
    "cak", "CAK (nagebootst)", CakHealthInsurance, ["cak_health_insurance_arrears"], Ddas12, day 21, share 10, "CAK", bsn true;
    "thuiszorg-de-hoeve", "Thuiszorg De Hoeve", Care, ["reporting_code_report"], Ndjson, day 17, share 0, "TH", bsn false;
    "school-het-baken", "Scholengroep Het Baken", School, ["school_absence_16h"], Ndjson, day 15, share 0, "SB", bsn false;
    "politie-voorveld", "Politie basisteam Voorveld (nagebootst)", Police, ["police_care_report"], Ndjson, day 13, share 0, "PV", bsn false;
}

/// The partner with this id.
#[must_use]
pub fn partner(id: &str) -> Option<&'static Partner> {
    PARTNERS.iter().find(|known| known.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_make_a_whole() {
        assert_eq!(
            PARTNERS.iter().map(|partner| partner.share).sum::<u32>(),
            1000
        );
    }
}
