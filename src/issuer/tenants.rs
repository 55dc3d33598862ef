//! The tenants of one issuer whose name contains the tenant's ID, as Microsoft Entra ID has it.

use url::Url;

use super::IssuerError;
use crate::jose::jwk::Jwk;

/// The issuers that one configuration stands for: a name with a placeholder, and the tenants that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenants {
    /// What stands before and after the tenant's ID in the name.
    before: String,
    after: String,
    /// The accepted IDs in canonical form; without them, every ID.
    listed: Option<Vec<String>>,
}

impl Tenants {
    /// Reads the configured name of the issuer and the tenants, `*` alone for every tenant.
    ///
    /// # Errors
    /// The name has no placeholder, or a tenant is no UUID.
    pub(super) fn new(name: &str, tenants: &[String]) -> Result<Self, IssuerError> {
        let (before, after) = split(name).ok_or(IssuerError::TenantTemplate)?;
        let listed = match tenants {
            [every] if every == "*" => None,
            tenants => {
                let ids = tenants.iter().map(|tenant| tenant.to_ascii_lowercase());
                Some(ids.collect::<Vec<_>>())
            }
        };
        let is_valid = |ids: &Vec<String>| !ids.is_empty() && ids.iter().all(|id| is_uuid(id));
        if !listed.as_ref().is_none_or(is_valid) {
            return Err(IssuerError::Tenants);
        }
        Ok(Self {
            before: before.to_owned(),
            after: after.to_owned(),
            listed,
        })
    }

    /// The tenant that `iss` names, if it is of this issuer.
    pub(crate) fn tenant_of<'a>(&self, iss: &'a str) -> Option<&'a str> {
        let rest = iss.strip_prefix(self.before.as_str())?;
        let tenant = rest.strip_suffix(self.after.as_str())?;
        is_uuid(tenant).then_some(tenant)
    }

    /// The values of `iss` of the listed tenants.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let listed = self.listed.iter().flatten();
        listed.map(|tenant| {
            [&self.before, tenant, &self.after]
                .map(String::as_str)
                .concat()
        })
    }

    /// Whether a key of the set signs tokens of `iss`: it names that issuer, or none, or a template.
    pub(crate) fn has_key(key: &Jwk, iss: &str) -> bool {
        let issuer = key.issuer.as_deref();
        issuer.is_none_or(|issuer| issuer == iss || is_template(issuer))
    }

    /// Whether tokens of the tenant are accepted.
    pub(crate) fn accept(&self, tenant: &str) -> bool {
        let listed = self.listed.as_ref();
        listed.is_none_or(|listed| listed.iter().any(|listed| listed == tenant))
    }
}

/// Whether a name of an issuer has the placeholder, be it in a usable place or not.
pub(crate) fn is_template(name: &str) -> bool {
    name.contains(PLACEHOLDER)
}

/// What stands before and after the placeholder, which is one whole segment of the path of a URL.
fn split(name: &str) -> Option<(&str, &str)> {
    let (before, after) = name.split_once(PLACEHOLDER)?;
    let is_segment = before.ends_with('/') && (after.is_empty() || after.starts_with('/'));
    let url = Url::parse(before).ok()?;
    let is_url = url.has_host() && url.query().is_none() && url.fragment().is_none();
    let is_in_path = is_url && before.matches('/').count() > 2;
    (is_segment && is_in_path && !is_template(after)).then_some((before, after))
}

/// 8-4-4-4-12 hexadecimal digits in lower case (RFC 9562 §4), as tokens have them.
fn is_uuid(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let groups = text
        .split('-')
        .map(|group| group.bytes().all(is_digit).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

const PLACEHOLDER: &str = "{tenantid}";

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";
    const TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    fn tenants(name: &str, tenants: &[&str]) -> Result<Tenants, IssuerError> {
        let tenants: Vec<_> = tenants.iter().map(|&tenant| tenant.to_owned()).collect();
        Tenants::new(name, &tenants)
    }

    #[test]
    fn the_placeholder_is_one_segment_of_a_path() {
        for name in [
            TEMPLATE,
            "https://sts.example/{tenantid}/",
            "https://login.example/a/{tenantid}",
        ] {
            assert!(tenants(name, &["*"]).is_ok(), "{name}");
        }
        for name in [
            "https://login.example/v2.0",
            "https://login.example/x{tenantid}/v2.0",
            "https://login.example/{tenantid}x/v2.0",
            "https://login.example/{tenantid}/{tenantid}",
            "https://{tenantid}/v2.0",
            "https://{tenantid}.login.example/",
            "https://login.example/?a=/{tenantid}/",
            "https://login.example/#/{tenantid}/",
            "https://login.example/{tenantId}/v2.0",
            "/{tenantid}/",
            "{tenantid}",
        ] {
            let rejected = tenants(name, &["*"]);
            assert_eq!(rejected, Err(IssuerError::TenantTemplate), "{name}");
        }
    }

    #[test]
    fn tenants_are_uuids_or_all() {
        for listed in [&["*"][..], &[TENANT], &[&TENANT.to_uppercase(), TENANT]] {
            assert!(tenants(TEMPLATE, listed).is_ok(), "{listed:?}");
        }
        for listed in [&[][..], &[""], &["*", TENANT], &["common"], &["9188040d"]] {
            let rejected = tenants(TEMPLATE, listed);
            assert_eq!(rejected, Err(IssuerError::Tenants), "{listed:?}");
        }
    }

    #[test]
    fn iss_is_the_template_with_a_uuid_in_lower_case() {
        let every = tenants(TEMPLATE, &["*"]).expect("tenants");
        let iss = |tenant: &str| TEMPLATE.replace("{tenantid}", tenant);
        assert_eq!(every.tenant_of(&iss(TENANT)), Some(TENANT));
        for tenant in [
            "",
            "{tenantid}",
            "common",
            "organizations",
            &TENANT.to_uppercase(),
            &format!("{TENANT}/x"),
            &format!("x/{TENANT}"),
            &format!("{TENANT} "),
            &TENANT.replace('-', ""),
            &TENANT.replace('9', "g"),
            "9188040d-6c67-4c5b-b112-36a304b66da",
            "9188040d6-c67-4c5b-b112-36a304b66dad",
        ] {
            assert_eq!(every.tenant_of(&iss(tenant)), None, "{tenant}");
        }
        for iss in [
            format!("https://login.example/{TENANT}/v1.0"),
            format!("https://other.example/{TENANT}/v2.0"),
            format!("https://login.example/{TENANT}/v2.0/"),
            format!("https://login.example/{TENANT}"),
        ] {
            assert_eq!(every.tenant_of(&iss), None, "{iss}");
        }
    }

    #[test]
    fn a_list_accepts_its_tenants_alone() {
        let other = "11111111-2222-3333-4444-555555555555";
        let listed = tenants(TEMPLATE, &[&TENANT.to_uppercase()]).expect("tenants");
        assert!(listed.accept(TENANT) && !listed.accept(other));
        let every = tenants(TEMPLATE, &["*"]).expect("tenants");
        assert!(every.accept(TENANT) && every.accept(other));
    }
}
