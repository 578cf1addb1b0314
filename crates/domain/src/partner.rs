//! Partners and the official list of partner types.

use crate::code::code_list;

code_list!(
    /// What sort of organisation sends a signal. The first eleven are the official DDAS list (`EnumSignaalpartner`, v0.9 and
    /// v1.2); the rest are the other domains Voorveld takes signals from.
    PartnerType ("partner types") {
        /// Electricity, gas and heat are one type (M1).
        Energy = "energy", "Energie";
        /// Landlords.
        Rent = "rent", "Huur";
        /// Mortgage lenders.
        Mortgage = "mortgage", "Hypotheek";
        /// CAK in place of the insurer, after six months unpaid.
        CakHealthInsurance = "cak_health_insurance", "CAK Zorgverzekeringen";
        /// Health insurers.
        HealthInsurance = "health_insurance", "Zorg";
        /// Drinking water companies.
        Water = "water", "Water";
        /// Student finance.
        Duo = "duo", "DUO";
        /// Tax administration.
        TaxAdministration = "tax_administration", "Belastingdienst";
        /// CAK personal contributions.
        CakContribution = "cak_contribution", "CAK Eigen bijdrage";
        /// Anything else on the official list.
        Other = "other", "Overige";
        /// Benefits office.
        BenefitsOffice = "benefits_office", "Dienst Toeslagen";
        /// Schools and DUO's absence register.
        School = "school", "School";
        /// Police.
        Police = "police", "Politie";
        /// General practitioners.
        Gp = "gp", "Huisarts";
        /// Youth health care.
        YouthHealth = "youth_health", "Jeugdgezondheidszorg";
        /// The municipality's own debt help.
        DebtHelp = "debt_help", "Schuldhulpverlening";
        /// Any organisation that must follow the reporting code and has no better type.
        Care = "care", "Zorg en ondersteuning";
    }
);

/// A partner type as *meervoudig* counts it (M1): CAK Zorgverzekeringen and Zorg are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountedType(PartnerType);

impl CountedType {
    /// A small number for it, to count by.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl PartnerType {
    /// The type under which a signal of this partner counts. With `cak_is_zorg` (the default†) CAK Zorgverzekeringen counts as Zorg.
    #[must_use]
    pub const fn counted(self, cak_is_zorg: bool) -> CountedType {
        match self {
            Self::CakHealthInsurance if cak_is_zorg => CountedType(Self::HealthInsurance),
            other => CountedType(other),
        }
    }

    /// The type with this official DDAS label, to the letter.
    #[must_use]
    pub fn from_ddas(label: &str) -> Option<Self> {
        Self::ALL[..11]
            .iter()
            .copied()
            .find(|known| known.label() == label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cak_and_zorg_count_as_one_unless_told_otherwise() {
        let (cak, zorg) = (
            PartnerType::CakHealthInsurance,
            PartnerType::HealthInsurance,
        );
        assert_eq!(cak.counted(true), zorg.counted(true));
        assert_ne!(cak.counted(false), zorg.counted(false));
    }

    #[test]
    fn only_official_labels_come_from_ddas() {
        assert_eq!(
            PartnerType::from_ddas("CAK Zorgverzekeringen"),
            Some(PartnerType::CakHealthInsurance)
        );
        assert_eq!(PartnerType::from_ddas("Politie"), None);
    }
}
