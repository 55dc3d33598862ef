use std::io::Write;
use std::net::TcpListener;

use super::*;
use crate::redis_client::test_server::Server;
use crate::redis_client::{CONNECT_TIMEOUT, RESPONSE_TIMEOUT, SOME_ERROR, open, rejection};
use crate::sender::{Replay, TargetUri};

const NOW: Duration = Duration::from_secs(1_700_000_000);

const LIFETIME: Duration = Duration::from_secs(300);

/// A store in the test's Redis.
fn replica(server: &Server) -> Replay {
    Replay::in_redis(&server.url(), "test:").unwrap()
}

fn id(number: usize) -> ProofId {
    let target = TargetUri::parse("https://api.example/").unwrap();
    ProofId::new("key", &target, &number.to_string())
}

/// The outcome, awaited in a runtime of the caller's own, as each worker has.
fn claim(replay: &Replay, number: usize) -> ReplayOutcome {
    match replay.claim(&id(number), NOW + LIFETIME, NOW) {
        ReplayAnswer::Decided(outcome) => outcome,
        ReplayAnswer::Pending(pending) => runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(pending),
    }
}

#[test]
fn of_all_replicas_that_claim_a_proof_one_is_first() {
    let Some(server) = Server::start() else {
        return;
    };
    const PROOFS: usize = 2500;
    let replicas = [replica(&server), replica(&server)];
    let firsts = |replay: &Replay| -> Vec<usize> {
        (0..PROOFS)
            .filter(|number| match claim(replay, *number) {
                ReplayOutcome::First => true,
                ReplayOutcome::Replayed => false,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let [one, other] = &replicas;
    let mut all: Vec<usize> = std::thread::scope(|scope| {
        let threads = [one, other, one, other].map(|replay| scope.spawn(move || firsts(replay)));
        let found = threads.map(|thread| thread.join().unwrap());
        found.into_iter().flatten().collect()
    });
    all.sort_unstable();
    assert_eq!(all, (0..PROOFS).collect::<Vec<_>>());
}

#[test]
fn redis_keeps_a_hash_until_the_proof_has_expired() {
    let Some(server) = Server::start() else {
        return;
    };
    assert_eq!(claim(&replica(&server), 1), ReplayOutcome::First);
    let keys: Vec<String> = server.query(&["KEYS", "*"]);
    let hash = BASE64URL_NOPAD.encode(&id(1).hash);
    assert_eq!(keys, [format!("test:{hash}")]);
    let left: u64 = server.query(&["TTL", &keys[0]]);
    let expected = (LIFETIME + CLOCK_SKEW).as_secs();
    assert!((expected - 10..=expected + 1).contains(&left), "{left}");
    let replica = Replay::in_redis(&server.url(), "other:").unwrap();
    assert_eq!(claim(&replica, 1), ReplayOutcome::First);
}

#[test]
fn an_unavailable_redis_rejects_and_one_that_is_back_serves_at_once() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let [one, idle] = [replica(&server), replica(&server)];
    assert_eq!(claim(&one, 1), ReplayOutcome::First);
    assert_eq!(claim(&idle, 1), ReplayOutcome::Replayed);
    server.stop();
    for number in 2..5 {
        assert_eq!(claim(&one, number), ReplayOutcome::Unavailable);
    }
    server.start_again();
    // The idle connection broke: a new one is opened, without a log entry.
    assert_eq!(claim(&idle, 5), ReplayOutcome::First);
    let begun = std::time::Instant::now();
    let outcome = std::iter::repeat_with(|| claim(&one, 6))
        .find(|outcome| *outcome != ReplayOutcome::Unavailable || begun.elapsed() > PAUSE * 20);
    assert_eq!(outcome, Some(ReplayOutcome::First));
    assert_eq!(claim(&idle, 6), ReplayOutcome::Replayed);
}

#[test]
fn an_answer_that_is_an_error_accepts_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let replica = replica(&server);
    let _: String = server.query(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(claim(&replica, 1), ReplayOutcome::Unavailable);
    let wrong = server.url().replace("password", "passwort");
    let wrong = Replay::in_redis(&wrong, "test:").unwrap();
    assert_eq!(claim(&wrong, 1), ReplayOutcome::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_never_answers_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    let mut line = RedisConnection::new(open(&url).unwrap());
    let (answer, _answered) = oneshot::channel();
    let requests = [ClaimRequest {
        key: "key".to_owned(),
        seconds: 1,
        answer,
    }];
    let begun = Instant::now();
    assert_eq!(line.ask(&requests).await, [ReplayOutcome::Unavailable]);
    let waited = begun.elapsed();
    assert!(waited <= CONNECT_TIMEOUT + RESPONSE_TIMEOUT, "{waited:?}");
    // Who comes next does not wait at all.
    let begun = Instant::now();
    assert_eq!(line.ask(&requests).await, [ReplayOutcome::Unavailable]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(line.ask(&[]).await.is_empty());
}

/// What is logged of a Redis at this URL that cannot be used.
fn failure(url: &str) -> String {
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let line = RedisConnection::new(open(url).unwrap());
    let connected = runtime.block_on(line.connect());
    connected.map(drop).unwrap_err().to_string()
}

#[test]
fn each_reason_for_a_failed_connection_has_its_own_text() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut stream = plain.accept().unwrap().0;
        let _ = stream.write_all(b"-ERR this is no TLS\r\n");
    });
    let over_tls = failure(&format!("rediss://127.0.0.1:{port}"));
    let refused = failure("redis://127.0.0.1:1");
    assert_eq!(
        refused,
        "no connection could be made: Connection refused (os error 111)"
    );
    let begun = "no connection could be made over TLS: ";
    assert!(over_tls.starts_with(begun), "{over_tls}");
    assert!(over_tls.len() > begun.len() && !over_tls.contains("within"));
    let unknown = failure("redis://no-such-host.invalid");
    assert!(
        unknown.contains("failed to lookup address information"),
        "{unknown}"
    );
}

/// An error as Redis answers it.
fn error(code: &str) -> Value {
    redis::parse_redis_value(format!("-{code} a text\r\n").as_bytes()).unwrap()
}

#[test]
fn a_wrong_password_has_its_own_text() {
    let Some(server) = Server::start() else {
        return;
    };
    let expected = "it does not accept the user name or password";
    let wrong = server.url().replace("password", "passwort");
    assert_eq!(failure(&wrong), expected);
    // Without any, the connection is made, and refused when it is used.
    assert_eq!(rejection(&[error("NOAUTH")]).to_string(), expected);
}

#[test]
fn errors_of_redis_are_distinguished_by_their_codes() {
    for (code, text) in [
        ("OOM", "it is out of memory"),
        ("LOADING", "it is still loading its data"),
        ("UNHEARD", SOME_ERROR),
    ] {
        assert_eq!(rejection(&[Value::Okay, error(code)]).to_string(), text);
    }
}

#[test]
fn a_lost_answer_never_counts_as_first() {
    assert_eq!(outcome(&Value::Okay), Some(ReplayOutcome::First));
    assert_eq!(outcome(&Value::Nil), Some(ReplayOutcome::Replayed));
    assert_eq!(outcome(&Value::Int(1)), None);
    assert_eq!(
        in_doubt(ReplayOutcome::Replayed),
        ReplayOutcome::Unavailable
    );
    assert_eq!(in_doubt(ReplayOutcome::First), ReplayOutcome::First);
}

#[test]
fn a_proof_is_kept_longer_than_any_replica_would_accept_it() {
    for (until, now, expected) in [
        (NOW + LIFETIME, NOW, 331),
        (NOW + Duration::from_millis(1), NOW, 31),
        (NOW, NOW, 31),
        (NOW, NOW + LIFETIME, 31),
        (Duration::MAX, Duration::ZERO, u64::MAX),
    ] {
        assert_eq!(seconds_to_keep(until, now), expected);
    }
}

#[test]
fn only_a_redis_url_is_accepted_and_none_is_shown() {
    for url in [
        "",
        "redis.example",
        "http://redis.example",
        "redis:///var/run/redis.sock",
        "redis://:secret@redis.example/notanumber",
        "rediss://:secret@redis.example/#insecure",
        "unix:///run/redis.sock",
    ] {
        let error = Replay::in_redis(url, "test:").unwrap_err();
        assert_eq!(error, RedisError::NotARedisUrl, "{url}");
        assert!(!error.to_string().contains("secret"));
    }
    for url in [
        "redis://:secret@127.0.0.1:1/2",
        "rediss://:secret@redis.example",
    ] {
        let replay = Replay::in_redis(url, "test:").unwrap();
        assert_eq!(format!("{replay:?}"), "Replay(Redis(Redis(redacted)))");
    }
}
