//! Protected paths, spelled so that one server reads them in another way than the next.

use crate::kind::Kind;
use crate::site::{HOST, Site};

/// Each could be read as `/admin/users` or `/orders/7`, or begins below `/public/`, which is open.
const SPELLINGS: &[&str] = &[
    "/admin/users",
    "/orders/7",
    "/public/../admin/users",
    "/public/x/../../admin/users",
    "/public/%2e%2e/admin/users",
    "/public/%2E%2E/admin/users",
    "/public/.%2e/admin/users",
    "/public/%2e./admin/users",
    "/public/..%2fadmin/users",
    "/public/..%2Fadmin%2Fusers",
    "/public/%2e%2e%2fadmin/users",
    "/public/..%5cadmin/users",
    "/public/..\\admin\\users",
    "/public\\..\\admin\\users",
    "/public/..;/admin/users",
    "/public/..;x=y/admin/users",
    "/public;/../admin/users",
    "/public/.;/../admin/users",
    "/public/%2e%2e;/admin/users",
    "/public/..%3b/admin/users",
    "/public/../../admin/users",
    "/public/./../admin/users",
    "/public//../admin/users",
    "/public/..//admin/users",
    "/public/...//admin/users",
    "/public/%252e%252e/admin/users",
    "/public/%25%32%65%25%32%65/admin/users",
    "/public/..%252fadmin/users",
    "/public/..%c0%afadmin/users",
    "/public/%c0%ae%c0%ae/admin/users",
    "/public/%e0%80%ae%e0%80%ae/admin/users",
    "/public/..%ef%bc%8fadmin/users",
    "/public/%e2%80%a5/admin/users",
    "/public/..%u002fadmin/users",
    "/public/..%00/admin/users",
    "/public/%00/../admin/users",
    "/public/..%0d%0a/admin/users",
    "/public/..%09/admin/users",
    "/public/.. /admin/users",
    "/public/..%20/admin/users",
    "/public/a?/../../admin/users#",
    "/public/#/../admin/users",
    "/public/a#/../../admin/users",
    "/public/..#/admin/users",
    "/public/..?/admin/users#x",
    "//admin/users",
    "///admin/users",
    "/./admin/users",
    "/.//admin/users",
    "/%2fadmin/users",
    "/%2f/admin/users",
    "/admin//users",
    "/admin/./users",
    "/admin;/users",
    "/admin;x=y/users",
    "/;/admin/users",
    "/;x/admin/users",
    "/admin%2fusers",
    "/admin%2Fusers",
    "/admin%5cusers",
    "/admin\\users",
    "\\admin\\users",
    "/%61dmin/users",
    "/%41dmin/users",
    "/admi%6e/users",
    "/%2561dmin/users",
    "/ADMIN/users",
    "/Admin/Users",
    "/admin/users/",
    "/admin/users/.",
    "/admin/users%20",
    "/admin/users%00",
    "/admin/users.",
    "/admin/users;",
    "/admin/users;a=b",
    "/admin/users/..;/users",
    "/admin/users?",
    "/admin/users?a=/public/b",
    "/admin/users#/public/b",
    "/%EF%BD%81dmin/users",
    "/orders/7/",
    "/orders//7",
    "/orders/%37",
    "/orders;/7",
    "/orders/x/../7",
    "/orders/7%2f",
    "/orders/7%3f",
    "/orders/7%23",
    "http://api.example/admin/users",
    "http://api.example/public/../admin/users",
    "http://other.example/admin/users",
    "HTTP://api.example//admin/users",
    "http:/admin/users",
    "api.example/admin/users",
    "admin/users",
    "../admin/users",
    "*",
    "/public/a /../../admin/users",
    "/public/a\t/../../admin/users",
];

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn no_spelling_of_a_protected_path_reaches_the_api_without_its_token() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let other = site.token("other").build();
        for spelling in SPELLINGS {
            for authorization in [String::new(), format!("Authorization: Bearer {other}\r\n")] {
                for version in ["1.1", "1.0"] {
                    let request = format!(
                        "GET {spelling} HTTP/{version}\r\nHost: {HOST}\r\n{authorization}Connection: close\r\n\r\n"
                    );
                    let (answer, received) = site.send_bytes(request.as_bytes());
                    assert!(received.is_empty(), "{kind:?}: {spelling}: {received:?}");
                    let status = answer.map(|answer| answer.status);
                    assert_ne!(
                        status.map(|status| status / 100),
                        Some(5),
                        "{kind:?}: {spelling}: {status:?}"
                    );
                }
            }
        }
        // With the token, the plain path is reached.
        site.reach(&crate::site::get("/admin/users").bearer(&site.token("admin").build()));
    }
}
