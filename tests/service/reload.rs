//! `SIGHUP` and `[reload]`: settings that change while the service runs.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{
    Document, Fault, Gate, SigningKey, TestIssuer, TokenBuilder,
};

use crate::app::{Launch, TestApp};
use crate::expected::{
    Expected, OTHER_AUDIENCE, PRIVATE, SIGNATURE, UNKNOWN_ISSUER, assert_answer,
};
use crate::process::Directory;
use crate::transcript::LIMIT;
use crate::wire::{Answer, Request};

/// A settings file that can be changed, and the other files that it names.
struct Files(Directory);

impl Files {
    fn new(settings: &str) -> Self {
        let files = Self(Directory::new());
        files.write("Settings.toml", settings);
        files
    }

    fn path(&self, name: &str) -> String {
        let path = self.0.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn launch(&self) -> Launch {
        Launch::new().arguments(&["--config", &self.path("Settings.toml")])
    }

    fn serve(&self) -> TestApp {
        TestApp::ready(self.launch())
    }

    /// Changes the settings; returns the line that reports it.
    fn change(&self, app: &TestApp, settings: &str) -> String {
        self.write("Settings.toml", settings);
        hang_up(app)
    }
}

/// Sends `SIGHUP`; returns the line that reports what came of it.
fn hang_up(app: &TestApp) -> String {
    let reports = |log: &str| -> Vec<String> {
        let lines = log.lines().filter(|line| {
            line.contains("SIGHUP: the settings") || line.contains("SIGHUP: the certificates")
        });
        let texts = lines.filter_map(|line| Some(line.split_once("SIGHUP: ")?.1.to_owned()));
        texts.collect()
    };
    let before = reports(&app.log().text()).len();
    app.signal("HUP");
    let report = app.log().find(|log| {
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        reports(whole).get(before).cloned()
    });
    report.unwrap_or_else(|| panic!("no report: {}", app.log().text()))
}

fn entry(issuer: &TestIssuer, more: &str) -> String {
    format!(
        "[[auth.issuers]]\nissuer_base_url = '{}'\n{more}\n",
        issuer.url()
    )
}

fn fast_issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

#[test]
fn issuers_come_change_and_go_under_load_without_a_wrong_answer() {
    let (a, b) = (fast_issuer(), fast_issuer());
    let only_a = entry(&a, "audience = 'api'");
    let with_b = |more: &str| format!("{only_a}{}", entry(&b, more));
    let files = Files::new(&only_a);
    let app = files.serve();
    let of_a: Vec<_> = (0..8)
        .map(|_| a.token().claim("aud", "api").build())
        .collect();
    let of_b = |audience: &str| b.token().claim("aud", audience).build();
    let [one, two] = ["one", "two"].map(of_b);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for token in of_a.iter().cycle() {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    assert_answer(&app.private(token), PRIVATE, "A stays trusted");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let ask_twice = |token: &str, expected: Expected, case: &str| {
            for _ in 0..3 {
                assert_answer(&app.private(token), expected, case);
            }
        };
        for _ in 0..10 {
            files.change(&app, &with_b("audience = 'one'"));
            ask_twice(&one, PRIVATE, "B is added");
            files.change(&app, &with_b("audience = 'two'"));
            ask_twice(&one, OTHER_AUDIENCE, "B is changed");
            ask_twice(&two, PRIVATE, "B is changed");
            files.change(&app, &only_a);
            ask_twice(&one, UNKNOWN_ISSUER, "B is removed");
            ask_twice(&two, UNKNOWN_ISSUER, "B is removed");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 100, "{answered:?}");
    let b = b.url();
    for line in [
        format!("SIGHUP: the issuer {b} is trusted from now on\n"),
        format!("SIGHUP: the issuer {b} is trusted by other rules from now on\n"),
        format!("SIGHUP: the issuer {b} is no longer trusted\n"),
    ] {
        assert_eq!(app.log().text().matches(&line).count(), 10, "{line}");
    }
    assert_eq!(
        app.metric("ars_settings_reloads_total{outcome=\"applied\"}"),
        30
    );
}

#[test]
fn an_added_issuer_that_hangs_delays_nobody_and_the_service_stays_ready() {
    let (a, b) = (fast_issuer(), fast_issuer());
    let gate = Gate::new();
    b.set_fault(Document::Discovery, Some(Fault::Hang(gate.clone())));
    let only_a = entry(&a, "audience = 'api'");
    let files = Files::new(&only_a);
    let app = files.serve();
    let both = format!("{only_a}{}", entry(&b, "audience = 'api'"));
    let report = files.change(&app, &both);
    let b_is_new = ["issuers[1].audience", "issuers[1].issuer_base_url"];
    assert!(b_is_new.iter().all(|key| report.contains(key)), "{report}");
    assert!(b.wait_for(Document::Discovery, 1));
    let token = a.token().claim("aud", "api").build();
    assert_answer(&app.private(&token), PRIVATE, "A");
    assert_eq!(app.get("/readyz").status, 200);
    assert_eq!(app.metric("ars_issuers_unready"), 1);
    // Another change meanwhile is not delayed either.
    files.change(&app, &format!("{both}[cors]\nmax_age = 1"));
    assert_answer(&app.private(&token), PRIVATE, "A");
    gate.open();
    b.set_fault(Document::Discovery, None);
    let token = b.token().claim("aud", "api").build();
    app.wait_for(200, &Request::get("/api/private").bearer(&token));
}

#[test]
fn wrong_settings_change_nothing_and_are_reported_as_by_check() {
    let issuer = fast_issuer();
    let good = format!(
        "[cors]\nallowed_origins = ['https://app.example']\n{}",
        entry(&issuer, "audience = 'api'")
    );
    let files = Files::new(&good);
    let app = files.serve();
    let token = issuer.token().claim("aud", "api").build();
    let hush = "hush".repeat(8);
    let half = &good[..good.len() / 2];
    let wrong = [
        format!("{good}secret = '{hush}"),
        format!("{good}[auth.dpop]\nnonce = true\nnonce_secret = 'hush'"),
        format!("{good}[server]\nprot = 1"),
        format!("{good}[resource]\nmetadata = '{hush}'"),
        format!("{good}[server.tls]\ncertificate = '/nowhere/a.pem'\nkey = '/nowhere/b.pem'"),
        format!("{good}[auth]\nca_file = '/nowhere/ca.pem'"),
        format!("{good}{}", entry(&issuer, "audience = 'api'")),
        half.to_owned(),
    ];
    for (count, settings) in (1..).zip(&wrong) {
        let report = files.change(&app, settings);
        let checked = files.launch().arguments(&["check"]).run();
        assert_eq!(checked.code, Some(2), "{checked:?}");
        let (_, error) = checked.log.trim().split_once(": ").unwrap();
        assert!(
            report.contains(&format!("as they are: {error}")),
            "{report} {error}"
        );
        assert_eq!(
            app.metric("ars_settings_reloads_total{outcome=\"rejected\"}"),
            count
        );
        assert_answer(&app.private(&token), PRIVATE, settings);
        let answer = app.send(&Request::get("/livez").header("Origin", "https://app.example"));
        assert!(answer.header("access-control-allow-origin").is_some());
    }
    fs::remove_file(files.path("Settings.toml")).unwrap();
    let report = hang_up(&app);
    let expected = format!(
        "the settings stay as they are: file {}: cannot be read: ",
        files.path("Settings.toml")
    );
    assert!(report.starts_with(&expected), "{report}");
    assert_answer(&app.private(&token), PRIVATE, "without a file");
    assert!(!app.log().text().contains("hush"), "{}", app.log().text());
    let report = files.change(&app, &good);
    assert_eq!(report, "the settings are read anew; no key has changed");
}

#[test]
fn a_default_file_that_vanishes_is_missed() {
    let issuer = fast_issuer();
    let working = Directory::new();
    let file = working.path().join("Settings.toml");
    fs::write(&file, entry(&issuer, "audience = 'api'")).unwrap();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_actix-resource-server");
    let start = format!("cd '{}' && exec '{program}'", working.path().display());
    command.args(["-c", &start]);
    let app = TestApp::ready(Launch::of(command));
    fs::remove_file(&file).unwrap();
    let report = hang_up(&app);
    let expected = "the settings stay as they are: file Settings.toml: cannot be read: ";
    assert!(report.starts_with(expected), "{report}");
    let token = issuer.token().claim("aud", "api").build();
    assert_answer(&app.private(&token), PRIVATE, "without a file");
}

fn allowed_origin(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn origins_and_levels_change_at_once() {
    let issuer = fast_issuer();
    let trusted = entry(&issuer, "audience = 'api'");
    let files = Files::new(&trusted);
    let app = files.serve();
    let request = Request::get("/api/public").header("Origin", "https://app.example");
    assert_eq!(allowed_origin(&app.send(&request)), None);
    let with_origin = format!("[cors]\nallowed_origins = ['https://app.example']\n{trusted}");
    let report = files.change(&app, &with_origin);
    assert_eq!(
        report,
        "the settings are read anew; changed: cors.allowed_origins"
    );
    let answer = app.send(&request);
    assert_eq!(allowed_origin(&answer), Some("https://app.example"));
    let preflight = Request::new("OPTIONS", "/api/private")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "GET");
    assert_eq!(app.send(&preflight).status, 200);
    files.change(&app, &trusted);
    assert_eq!(allowed_origin(&app.send(&request)), None);
    assert_eq!(app.send(&preflight).status, 405);

    let level = |level: &str| format!("[log]\nlevel = '{level}'\n{trusted}");
    let report = files.change(&app, &level("info,request=off"));
    assert_eq!(report, "the settings are read anew; changed: log.level");
    let lines = || app.log().text().matches("GET /livez").count();
    let before = lines();
    app.get("/livez");
    files.change(&app, &level("info"));
    assert_eq!(lines(), before);
    app.get("/livez");
    app.wait_for_log("GET /livez 200");
}

#[test]
fn what_needs_a_restart_is_named_until_it_is_changed_back() {
    let issuer = fast_issuer();
    let trusted = entry(&issuer, "audience = 'api'");
    let files = Files::new(&trusted);
    let app = files.serve();
    let other = format!(
        "[server]\nkeep_alive = 60\n[operations]\nport = 9\n[cors]\nmax_age = 1\n[auth]\nstartup = 'wait'\n{trusted}"
    );
    let restart = "needs a restart: auth.startup, operations.port, server.keep_alive";
    let report = files.change(&app, &other);
    assert_eq!(
        report,
        format!("the settings are read anew; changed: cors.max_age; {restart}")
    );
    assert_eq!(
        hang_up(&app),
        format!("the settings are read anew; {restart}")
    );
    let report = files.change(&app, &trusted);
    assert_eq!(report, "the settings are read anew; changed: cors.max_age");
}

#[test]
fn files_of_secrets_and_keys_are_read_again() {
    const NAME: &str = "https://issuer.example/";
    let [old, new] = ["old", "new"].map(|text| text.repeat(11));
    let keys = [(); 2].map(|()| SigningKey::generate(Algorithm::Es256));
    let jwk = |index: usize| keys[index].public_jwk().unwrap().to_string();
    let files = Files::new("");
    files.write("secret", &old);
    files.write("key.jwk", &jwk(0));
    let settings = format!(
        "[auth]\naudience = 'api'\n[[auth.issuers]]\nissuer = '{NAME}hs'\ntoken_signing_alg = 'HS256'\n\
         secret_file = '{}'\n[[auth.issuers]]\nissuer = '{NAME}es'\npublic_key = '{}'\n",
        files.path("secret"),
        files.path("key.jwk")
    );
    files.write("Settings.toml", &settings);
    let app = files.serve();
    let hs = |secret: &str| {
        let key = SigningKey::from_secret(secret, Algorithm::Hs256);
        TokenBuilder::new(&format!("{NAME}hs"), "api", &key).build()
    };
    let es = |index: usize| {
        TokenBuilder::new(&format!("{NAME}es"), "api", &keys[index])
            .without_header("kid")
            .build()
    };
    let [old_tokens, new_tokens] = [[hs(&old), es(0)], [hs(&new), es(1)]];
    let expect = |tokens: &[String], expected: Expected| {
        for token in tokens.iter().cycle().take(6) {
            assert_answer(&app.private(token), expected, token);
        }
    };
    expect(&old_tokens, PRIVATE);
    files.write("secret", &new);
    files.write("key.jwk", &jwk(1));
    let report = hang_up(&app);
    assert_eq!(
        report,
        "the settings are read anew; changed: auth.issuers[0].secret"
    );
    expect(&new_tokens, PRIVATE);
    for token in &old_tokens {
        assert_eq!(app.private(token).status, 401);
    }
    expect(&old_tokens[..1], SIGNATURE);
    let log = app.log().text();
    assert!(!log.contains(&old) && !log.contains(&new), "{log}");
}

#[test]
fn the_development_issuer_stays_as_it_is() {
    let files = Files::new("");
    let app = files.serve();
    let issuer = fast_issuer();
    let report = files.change(&app, &entry(&issuer, "audience = 'api'"));
    let expected = "the settings are read anew; needs a restart: auth.issuers[0].";
    assert!(report.starts_with(expected), "{report}");
    assert_eq!(app.get("/readyz").status, 200);
    let token = issuer.token().claim("aud", "api").build();
    assert_answer(&app.private(&token), UNKNOWN_ISSUER, "needs a restart");

    let files = Files::new(&entry(&issuer, "audience = 'api'"));
    let app = files.serve();
    let report = files.change(&app, "");
    assert!(
        report.contains("needs a restart: auth.issuers[0]."),
        "{report}"
    );
    assert_answer(&app.private(&token), PRIVATE, "needs a restart");
}

#[test]
fn a_watched_file_is_read_when_it_changes() {
    let issuer = fast_issuer();
    let settings = |audience: &str| {
        let trusted = entry(&issuer, &format!("audience = '{audience}'"));
        format!("[reload]\nwatch = true\n{trusted}")
    };
    let files = Files::new(&settings("one"));
    let app = files.serve();
    let token = issuer.token().claim("aud", "two").build();
    assert_answer(&app.private(&token), OTHER_AUDIENCE, "before");
    // As a mounted ConfigMap is replaced: by another file.
    files.write("other.toml", &settings("two"));
    fs::rename(files.path("other.toml"), files.path("Settings.toml")).unwrap();
    app.wait_for_log("reload.watch: the settings are read anew; changed: auth.issuers[0].audience");
    assert_answer(&app.private(&token), PRIVATE, "after");
    files.write("Settings.toml", "[auth");
    app.wait_for_log("reload.watch: the settings stay as they are: file ");
    assert_answer(&app.private(&token), PRIVATE, "wrong");
    assert!(!app.log().text().contains("SIGHUP"));
}

/// The number of a line of `/proc/PID/status`.
fn status_of(app: &TestApp, name: &str) -> u64 {
    let path = format!("/proc/{}/status", app.process.id());
    let status = fs::read_to_string(path).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim_matches([':', '\t', ' ', 'k', 'B'])
        .parse()
        .unwrap()
}

fn threads_of(app: &TestApp) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", app.process.id())).unwrap();
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).ok();
    let names = threads.filter_map(|thread| name(thread.ok()?));
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn a_thousand_signals_leave_nothing_behind() {
    let (a, b) = (fast_issuer(), fast_issuer());
    let only_a = entry(&a, "audience = 'api'");
    let both = format!("{only_a}{}", entry(&b, "audience = 'api'"));
    let files = Files::new(&only_a);
    let app = files.serve();
    hang_up(&app);
    let token = a.token().claim("aud", "api").build();
    assert_answer(&app.private(&token), PRIVATE, "before");
    let before = ["Threads", "VmRSS"].map(|name| status_of(&app, name));
    for round in 0..20 {
        files.write(
            "Settings.toml",
            if round % 2 == 0 { &both } else { &only_a },
        );
        let signals = format!(
            "for n in $(seq 50); do kill -HUP {}; done",
            app.process.id()
        );
        let sent = Command::new("sh").args(["-c", &signals]).status();
        assert!(sent.unwrap().success());
        assert_answer(&app.private(&token), PRIVATE, "meanwhile");
    }
    files.write("Settings.toml", &only_a);
    // The reading that follows all signals.
    hang_up(&app);
    hang_up(&app);
    // A thread ends a moment after its settings are applied.
    let begun = Instant::now();
    while status_of(&app, "Threads") > before[0] {
        let threads = threads_of(&app);
        assert!(begun.elapsed() < LIMIT, "{threads:?}, before {}", before[0]);
        thread::yield_now();
    }
    let memory = status_of(&app, "VmRSS");
    assert!(
        memory < before[1] + 8 * 1024,
        "{memory} KiB, before {}",
        before[1]
    );
    assert_answer(&app.private(&token), PRIVATE, "after");
    let of_b = b.token().claim("aud", "api").build();
    assert_answer(&app.private(&of_b), UNKNOWN_ISSUER, "after");
}

#[test]
fn a_signal_during_the_shutdown_does_not_delay_it() {
    let issuer = fast_issuer();
    let trusted = entry(&issuer, "audience = 'api'");
    let settings = |delay: &str| format!("[server]\ndrain_delay = '{delay}'\n{trusted}");
    let files = Files::new(&settings("500ms"));
    let app = files.serve();
    app.signal("TERM");
    let report = files.change(&app, &settings("1s"));
    assert!(
        report.contains("needs a restart: server.drain_delay"),
        "{report}"
    );
    app.signal("HUP");
    let ended = app.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
