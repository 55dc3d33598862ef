//! Client certificates in the headers of proxies: only those of trusted proxies are read (RFC 9440 §4).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{TestIssuer, TokenBuilder};

use crate::app::{Launch, TestApp};
use crate::certificates::Signed;
use crate::expected::{
    Expected, MALFORMED_CERTIFICATE, NO_CERTIFICATE, NO_CERTIFICATE_BOUND, OTHER_CERTIFICATE,
    PRIVATE, assert_answer,
};
use crate::mtls::{forged, self_signed};
use crate::wire::Request;

/// A service behind a proxy, and a client whose certificate the proxy has verified.
struct Stage {
    issuer: TestIssuer,
    app: TestApp,
    own: Signed,
}

const SOURCES: [(&str, &str); 3] = [
    ("client-cert", "Client-Cert"),
    ("escaped-pem", "X-SSL-Client-Cert"),
    ("xfcc", "X-Forwarded-Client-Cert"),
];

impl Stage {
    fn new(source: &str, proxies: &str, required: bool) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let launch = Launch::trusting(&issuer).variables(&[
            ("APP__AUTH__MTLS__ENABLED", "true"),
            ("APP__AUTH__MTLS__REQUIRED", &required.to_string()),
            ("APP__AUTH__MTLS__SOURCE", source),
            ("APP__SERVER__TRUSTED_PROXIES", proxies),
        ]);
        Self {
            app: TestApp::ready(launch),
            issuer,
            own: self_signed(),
        }
    }

    fn bound(&self) -> TokenBuilder {
        let token = self.issuer.token();
        token.bound_to_certificate(&self.own.thumbprint())
    }

    #[track_caller]
    fn check(&self, headers: &[(&str, String)], token: TokenBuilder, expected: Expected) {
        let request = Request::get("/api/private").bearer(&token.build());
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        assert_answer(&self.app.send(&request), expected, &format!("{headers:?}"));
    }
}

#[test]
fn the_certificate_is_read_from_the_configured_header_only() {
    for (source, configured) in SOURCES {
        for required in [false, true] {
            let stage = Stage::new(source, "127.0.0.1", required);
            let other = self_signed();
            for (header, other) in forged(&stage.own).into_iter().zip(forged(&other)) {
                let is_configured = header.0 == configured;
                let expected = |accepted| {
                    if is_configured {
                        accepted
                    } else {
                        NO_CERTIFICATE
                    }
                };
                stage.check(&[header], stage.bound(), expected(PRIVATE));
                stage.check(&[other], stage.bound(), expected(OTHER_CERTIFICATE));
            }
            stage.check(&[], stage.bound(), NO_CERTIFICATE);
            stage.check(
                &[(configured, String::new())],
                stage.bound(),
                NO_CERTIFICATE,
            );
            let plain = if required {
                NO_CERTIFICATE_BOUND
            } else {
                PRIVATE
            };
            stage.check(&[], stage.issuer.token(), plain);
            stage.check(&forged(&stage.own), stage.issuer.token(), plain);
        }
    }
}

#[test]
fn the_connection_and_untrusted_proxies_are_ignored() {
    for (source, _) in SOURCES {
        let stage = Stage::new(source, "10.0.0.0/8,192.0.2.1,::1", false);
        let forwarded = ("X-Forwarded-For", "10.0.0.1".to_owned());
        for header in forged(&stage.own) {
            stage.check(std::slice::from_ref(&header), stage.bound(), NO_CERTIFICATE);
            let headers = [header, forwarded.clone()];
            stage.check(&headers, stage.bound(), NO_CERTIFICATE);
        }
        stage.check(
            &[(SOURCES[0].1, "nonsense".to_owned())],
            stage.bound(),
            NO_CERTIFICATE,
        );
    }
}

#[test]
fn unusable_certificate_headers_make_the_request_malformed() {
    for (source, name) in SOURCES {
        let stage = Stage::new(source, "127.0.0.0/8", false);
        let good = forged(&stage.own);
        let good = good.iter().find(|(known, _)| *known == name).unwrap();
        let cut = good.1[..good.1.len() / 2].to_owned();
        for headers in [
            vec![good.clone(), good.clone()],
            vec![good.clone(), (name, String::new())],
            vec![(name, "nonsense".to_owned())],
            vec![(name, cut)],
            vec![(name, "a".repeat(17 * 1024))],
        ] {
            stage.check(&headers, stage.bound(), MALFORMED_CERTIFICATE);
            // Where no certificate is needed, the header is not read.
            stage.check(&headers, stage.issuer.token(), PRIVATE);
        }
    }
}

#[test]
fn a_second_element_is_rejected() {
    let stage = Stage::new("xfcc", "127.0.0.1", false);
    let element = |certificate: &Signed| {
        let [_, _, (_, element), _] = forged(certificate);
        element
    };
    let (own, other) = (element(&stage.own), element(&self_signed()));
    let hash = "0".repeat(64);
    for (value, expected) in [
        (format!("{own},{other}"), MALFORMED_CERTIFICATE),
        (format!("{other},{own}"), MALFORMED_CERTIFICATE),
        (format!("{other};URI=x,{own}"), MALFORMED_CERTIFICATE),
        (format!("By=a;{own};Subject=\"CN=a,Hash={hash}\""), PRIVATE),
        (format!("{own},\"{other}"), MALFORMED_CERTIFICATE),
    ] {
        let header = ("X-Forwarded-Client-Cert", value);
        stage.check(&[header], stage.bound(), expected);
    }
}
