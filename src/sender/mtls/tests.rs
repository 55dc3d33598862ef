//! Certificates in headers, valid and hostile ones, and from which peers they are used.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXUPPER};
use proptest::collection::vec;
use proptest::prelude::{prop_assert, proptest};
use proptest::sample;
use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A certificate in the forms that proxies send it in.
struct Example {
    der: Vec<u8>,
    pem: String,
}

impl Example {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["client.test".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
        }
    }

    fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.der)
    }

    fn base64(&self) -> String {
        BASE64.encode(&self.der)
    }

    fn escaped(&self) -> String {
        escaped(&self.pem)
    }

    fn hash(&self) -> String {
        HEXLOWER.encode(&sha256(&self.der))
    }
}

/// As nginx's `$ssl_client_escaped_cert`.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn source(form: CertificateHeader) -> CertificateSource {
    CertificateSource::Header {
        form,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
    }
}

fn headers(form: &CertificateHeader, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(form.name().clone(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The result for the header of a trusted proxy.
fn found(form: &CertificateHeader, value: &str) -> Result<Option<Thumbprint>, CertificateError> {
    let peer = "10.1.2.3".parse().ok();
    source(form.clone()).find(&headers(form, &[value]), peer, None)
}

fn escaped_pem_form() -> CertificateHeader {
    CertificateHeader::EscapedPem(HeaderName::from_static("x-ssl-client-cert"))
}

#[test]
fn a_thumbprint_is_the_hash_of_the_der_in_base64url() {
    // SHA-256 of no bytes (FIPS 180-4), as RFC 4648 §5 writes it.
    let expected = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    assert_eq!(Thumbprint::of(b"").to_string(), expected);
    let example = Example::new();
    let certificate = ClientCertificate::from_der(&example.der).unwrap();
    assert_eq!(certificate.thumbprint(), &example.thumbprint());
    assert_eq!(certificate.thumbprint().as_str().len(), 43);
}

#[test]
fn only_a_whole_certificate_is_one() {
    let example = Example::new();
    let cut = &example.der[..example.der.len() - 1];
    let longer = [&example.der[..], b"\0"].concat();
    for bytes in [&b""[..], b"\x30\x00", b"certificate", cut, &longer] {
        let rejected = ClientCertificate::from_der(bytes);
        assert_eq!(rejected, Err(CertificateError::NoCertificate), "{bytes:?}");
    }
    let large = vec![0; LARGEST + 1];
    let rejected = ClientCertificate::from_der(&large);
    assert_eq!(rejected, Err(CertificateError::TooLarge));
}

#[test]
fn each_form_of_a_header_is_read() {
    let (example, other) = (Example::new(), Example::new());
    let (base64, pem, hash) = (example.base64(), example.escaped(), example.hash());
    let (elsewhere, bare) = (other.hash(), BASE64_NOPAD.encode(&example.der));
    let upper = HEXUPPER.encode(&sha256(&example.der));
    let plain = || CertificateHeader::ClientCert;
    let envoy = || CertificateHeader::ForwardedClientCert;
    let cases = [
        (plain(), format!(":{base64}:")),
        (plain(), format!("  :{base64}: ")),
        (plain(), format!(":{bare}:")),
        (escaped_pem_form(), pem.clone()),
        (escaped_pem_form(), pem.replace("%0A", "%0a")),
        (
            escaped_pem_form(),
            pem.replace("%2B", "+").replace("%2F", "/"),
        ),
        (envoy(), format!("Hash={hash}")),
        (envoy(), format!("HASH={upper}")),
        (
            envoy(),
            format!("By=spiffe://a/b;Hash={hash};Subject=\"CN=a,O=b;c\";URI="),
        ),
        (
            envoy(),
            format!("Hash={hash};Subject=\"CN=\\\",Hash={elsewhere};\\\\\""),
        ),
        (envoy(), format!("Cert=\"{pem}\"")),
        (envoy(), format!("cert={pem}")),
        (
            envoy(),
            format!("Hash={hash};Cert=\"{pem}\";Chain=\"{pem}\""),
        ),
    ];
    for (form, value) in cases {
        let expected = Ok(Some(example.thumbprint()));
        assert_eq!(found(&form, &value), expected, "{value}");
    }
}

#[test]
fn a_header_of_another_form_is_rejected() {
    use CertificateError::{Contradictory, Malformed, NoCertificate, Several};
    let (example, other) = (Example::new(), Example::new());
    let (base64, pem, hash) = (example.base64(), example.escaped(), example.hash());
    let elsewhere = other.hash();
    let key = escaped(&KeyPair::generate().unwrap().serialize_pem());
    let twice = escaped(&example.pem.repeat(2));
    let plain = || CertificateHeader::ClientCert;
    let envoy = || CertificateHeader::ForwardedClientCert;
    let cases = [
        (plain(), " ".to_owned(), Malformed),
        (plain(), ":".to_owned(), Malformed),
        (plain(), "::".to_owned(), NoCertificate),
        (plain(), ":AAAA:".to_owned(), NoCertificate),
        (plain(), base64.clone(), Malformed),
        (plain(), format!(":{base64}"), Malformed),
        (plain(), format!(":{base64}===:"), Malformed),
        (plain(), format!(":{base64}:;a=1"), Malformed),
        (plain(), format!(":{base64}:, :{base64}:"), Malformed),
        (plain(), format!("\"{base64}\""), Malformed),
        (plain(), pem.clone(), Malformed),
        (
            plain(),
            format!(":{}:", base64.replace(['+', '/'], "_")),
            Malformed,
        ),
        (escaped_pem_form(), "%".to_owned(), Malformed),
        (escaped_pem_form(), "%4".to_owned(), Malformed),
        (escaped_pem_form(), "%+1".to_owned(), Malformed),
        (escaped_pem_form(), "%zz".to_owned(), Malformed),
        (escaped_pem_form(), "\u{e4}".to_owned(), NoCertificate),
        (escaped_pem_form(), format!("{pem}%"), Malformed),
        (escaped_pem_form(), twice.clone(), NoCertificate),
        (escaped_pem_form(), format!("{pem}{key}"), NoCertificate),
        (escaped_pem_form(), format!("{key}{pem}"), NoCertificate),
        (
            escaped_pem_form(),
            format!("{pem}-----BEGIN%20CERTIFICATE-----%0A"),
            NoCertificate,
        ),
        (escaped_pem_form(), key, NoCertificate),
        (escaped_pem_form(), base64, NoCertificate),
        (envoy(), "a".to_owned(), Malformed),
        (envoy(), "=a".to_owned(), Malformed),
        (envoy(), "Subject=\"CN=a\"".to_owned(), NoCertificate),
        (envoy(), format!("Hash={}", &hash[1..]), Malformed),
        (envoy(), format!("Hash={hash}00"), Malformed),
        (envoy(), format!("Hash={hash},"), Several),
        (envoy(), format!("Hash={hash};"), Malformed),
        (envoy(), format!(",Hash={hash}"), Malformed),
        (envoy(), format!("Hash={hash},By=a"), Several),
        (envoy(), format!("Hash={hash};Hash={hash}"), Contradictory),
        (
            envoy(),
            format!("Hash={elsewhere};Cert=\"{pem}\""),
            Contradictory,
        ),
        (envoy(), format!("Cert=\"{twice}\""), NoCertificate),
        (envoy(), format!("Cert=\"{pem}"), Malformed),
        (envoy(), format!("Ha\"sh\"={hash}"), Malformed),
        // A name in a certificate that is to look like an element of its own.
        (
            envoy(),
            format!("By=a;Hash={elsewhere};URI=x,Hash={hash}"),
            Several,
        ),
        (
            envoy(),
            format!("Hash={elsewhere};Subject=\"x\",Hash={hash}"),
            Several,
        ),
        // What the client wrote opens a quote that is to swallow what the proxy adds.
        (
            envoy(),
            format!("Hash={elsewhere};Subject=\",Hash={hash}"),
            Malformed,
        ),
        (
            envoy(),
            format!("Hash={elsewhere};Subject=\"\\,Hash={hash};Subject=\"CN=a\""),
            Malformed,
        ),
        (
            envoy(),
            format!("Hash={elsewhere};Subject=\",Hash={hash};Subject=\"CN=a\\\"b\""),
            Malformed,
        ),
        (
            envoy(),
            format!("Hash={elsewhere};URI=a\",Hash={hash};Subject=\"CN=a\""),
            Malformed,
        ),
    ];
    for (form, value, error) in cases {
        assert_eq!(found(&form, &value), Err(error), "{value}");
    }
}

#[test]
fn two_headers_are_rejected_even_if_they_agree() {
    let example = Example::new();
    let value = format!(":{}:", example.base64());
    let form = CertificateHeader::ClientCert;
    for values in [[&*value, &*value], [&*value, ""], ["", &*value]] {
        let headers = headers(&form, &values);
        let found = source(form.clone()).find(&headers, "10.0.0.1".parse().ok(), None);
        assert_eq!(found, Err(CertificateError::Several));
    }
}

#[test]
fn a_header_is_at_most_16_kib() {
    for form in [
        CertificateHeader::ClientCert,
        CertificateHeader::ForwardedClientCert,
        escaped_pem_form(),
    ] {
        let rejected = found(&form, &"A".repeat(LARGEST + 1));
        assert_eq!(rejected, Err(CertificateError::TooLarge));
        let read = found(&form, &"A".repeat(LARGEST));
        assert!(read.is_err_and(|error| error != CertificateError::TooLarge));
    }
}

#[test]
fn no_header_and_an_empty_one_mean_no_certificate() {
    for form in [
        CertificateHeader::ClientCert,
        CertificateHeader::ForwardedClientCert,
        escaped_pem_form(),
    ] {
        let peer = "10.0.0.1".parse().ok();
        assert_eq!(
            source(form.clone()).find(&HeaderMap::new(), peer, None),
            Ok(None)
        );
        assert_eq!(found(&form, ""), Ok(None));
    }
}

#[test]
fn a_header_is_used_only_from_a_trusted_proxy() {
    let (example, other) = (Example::new(), Example::new());
    let form = CertificateHeader::ClientCert;
    let good = headers(&form, &[&format!(":{}:", example.base64())]);
    let bad = headers(&form, &["nonsense", "nonsense"]);
    let own = ClientCertificate::from_der(&other.der).unwrap();
    let source = source(form);
    for peer in ["10.0.0.1", "10.255.255.255", "::ffff:10.0.0.1", "fd12::1"] {
        let found = source.find(&good, peer.parse().ok(), Some(&own));
        assert_eq!(found, Ok(Some(example.thumbprint())), "{peer}");
        let found = source.find(&bad, peer.parse().ok(), Some(&own));
        assert_eq!(found, Err(CertificateError::Several), "{peer}");
    }
    for peer in [
        "11.0.0.1",
        "127.0.0.1",
        "::1",
        "::ffff:11.0.0.1",
        "fe80::1",
        "unknown",
    ] {
        for headers in [&good, &bad] {
            let found = source.find(headers, peer.parse().ok(), Some(&own));
            assert_eq!(found, Ok(None), "{peer}");
        }
    }
}

#[test]
fn the_certificate_of_the_connection_ignores_headers() {
    let (example, other) = (Example::new(), Example::new());
    let own = ClientCertificate::from_der(&example.der).unwrap();
    let forged = headers(
        &CertificateHeader::ClientCert,
        &[&format!(":{}:", other.base64())],
    );
    let peer = "10.0.0.1".parse().ok();
    let source = CertificateSource::Connection;
    assert_eq!(source.find(&forged, peer, None), Ok(None));
    let found = source.find(&forged, peer, Some(&own));
    assert_eq!(found, Ok(Some(example.thumbprint())));
}

proptest! {
    /// Whatever the client sends, Envoy's own element counts or the header is rejected.
    #[test]
    fn elements_that_a_client_sends_never_count(
        parts in vec(sample::select(&PARTS[..]), 0..12),
        subject in sample::select(&SUBJECTS[..]),
    ) {
        let hash = "0".repeat(64);
        let value = format!("{},By=a;Hash={hash};Subject=\"{subject}\";URI=", parts.concat());
        let read = found(&CertificateHeader::ForwardedClientCert, &value);
        let own = Ok(Some(Thumbprint::of_hash(&[0; 32])));
        prop_assert!(read == own || read.is_err(), "{value}: {read:?}");
    }
}

const PARTS: [&str; 9] = [
    "Hash=1111111111111111111111111111111111111111111111111111111111111111",
    "Subject=",
    ";Subject=\"",
    "\"",
    "\\",
    ",",
    ";",
    "=",
    " ",
];

/// As RFC 2253 writes names that a client may have chosen.
const SUBJECTS: [&str; 5] = [
    "CN=a",
    "CN=\\\"",
    "CN=\\\\",
    "CN=\\,Hash\\=1",
    "CN=a\\\",Hash=1",
];
