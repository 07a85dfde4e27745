//! What a certificate calls its holder.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

const DNS: &str = "dns:";
const URI: &str = "uri:";
/// More than any name has, in bytes.
const LONGEST: usize = 2_048;

/// The names of a certificate that was verified, each with its kind: `dns:gateway.example.org`,
/// `uri:spiffe://example.org/gateway`. None where the peer showed no certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(Arc<[String]>);

impl Names {
    /// The DNS and URI names among the subject's alternative names (RFC 5280, section 4.2.1.6), of what a
    /// handshake has verified. Patterns are no names.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Self::default() };
        let dns = certificate.valid_dns_names().filter(|name| !name.contains('*'));
        let dns = dns.map(|name| format!("{DNS}{}", name.to_ascii_lowercase()));
        let uri = certificate.valid_uri_names().map(|name| format!("{URI}{name}"));
        Self(dns.chain(uri).collect())
    }

    /// Each name, after its kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    #[cfg(test)]
    pub(crate) fn from_list(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// A name as [`Names`] has it; nothing for what is none, and an error for one that no certificate can bear.
pub(crate) fn read(text: &str) -> Option<Result<String, &'static str>> {
    let graphic =
        |name: &str| (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(name) = text.strip_prefix(DNS) {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = graphic(name) && name.bytes().all(letters);
        return Some(if is_name { Ok(text.to_ascii_lowercase()) } else { Err("not a DNS name") });
    }
    let name = text.strip_prefix(URI)?;
    Some(if graphic(name) && name.contains(':') { Ok(text.to_owned()) } else { Err("not a URI") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_words_and_from_patterns() {
        assert_eq!(read("dns:Gateway.example.org"), Some(Ok("dns:gateway.example.org".to_owned())));
        let uri = "uri:spiffe://example.org/Gateway";
        assert_eq!(read(uri), Some(Ok(uri.to_owned())));
        for bad in ["dns:", "dns:*.example.org", "dns:a b", "dns:\u{e9}", "uri:", "uri:gateway"] {
            assert!(matches!(read(bad), Some(Err(_))), "{bad}");
        }
        assert_eq!(read("gateway.example.org"), None);
        assert_eq!(read(&"0".repeat(64)), None);
    }

    #[test]
    fn names_of_both_kinds_are_read_and_patterns_are_not() {
        let authority = crate::tls::testing::Authority::new();
        let held = authority.issue(&["Gateway.example.org", "*.example.org", "127.0.0.1"], &["spiffe://a/b"]);
        let names = Names::of(held.der());
        assert_eq!(names.iter().collect::<Vec<_>>(), ["dns:gateway.example.org", "uri:spiffe://a/b"]);
        assert_eq!(Names::of(&CertificateDer::from(vec![1, 2, 3])), Names::default());
    }
}
