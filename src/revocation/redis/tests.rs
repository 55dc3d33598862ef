use std::time::Instant as Moment;

use super::super::{CutOff, RevocationKeys, RevocationStatus};
use super::*;
use crate::redis_client::test_server::Server;

const HOUR: Duration = Duration::from_secs(3600);

fn replica_of(server: &Server, most: usize) -> Revocations {
    Revocations::in_redis(&server.url(), "test:", most).unwrap()
}

/// A replica that has read everything.
fn replica(server: &Server) -> Revocations {
    let replica = replica_of(server, 10);
    assert!(becomes(
        || status(&replica, "eva") != RevocationStatus::Unknown
    ));
    replica
}

fn of_subject(subject: &str) -> RevocationKeys {
    let claims = format!(r#"{{"iss":"i","sub":"{subject}"}}"#);
    RevocationKeys::of_payload(&claims)
}

fn status(revocations: &Revocations, subject: &str) -> RevocationStatus {
    revocations.check(|| of_subject(subject))
}

/// Whether it comes true within the time that is promised for a replica to learn of a change.
fn becomes(condition: impl Fn() -> bool) -> bool {
    let begun = Moment::now();
    std::iter::repeat_with(condition)
        .take_while(|_| begun.elapsed() < Duration::from_secs(1))
        .any(|is_true| {
            std::thread::yield_now();
            is_true
        })
}

fn record(revocations: &Revocations, cut_offs: &[CutOff]) -> Result<(), RevokeError> {
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let recorded = revocations.record(cut_offs, HOUR, now.unwrap());
    runtime.unwrap().block_on(recorded)
}

fn revoke(revocations: &Revocations, subject: &str) -> Result<(), RevokeError> {
    record(
        revocations,
        &[CutOff::subject("i", subject, SystemTime::now())],
    )
}

#[test]
fn all_replicas_learn_of_a_cut_off_and_later_ones_read_it() {
    let Some(server) = Server::start() else {
        return;
    };
    let [one, other] = [replica(&server), replica(&server)];
    let mut changes = other.subscribe();
    assert_eq!(revoke(&one, "ada"), Ok(()));
    assert_eq!(status(&one, "ada"), RevocationStatus::Revoked);
    assert!(becomes(
        || status(&other, "ada") == RevocationStatus::Revoked
    ));
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_ne!(status(&other, "eva"), RevocationStatus::Revoked);
    assert_eq!(status(&replica(&server), "ada"), RevocationStatus::Revoked);
    // Redis gets no names.
    let fields: Vec<String> = server.query(&["HKEYS", "{test:}cut-offs"]);
    assert_eq!(fields.len(), 1);
    assert_eq!(
        BASE64URL_NOPAD.decode(fields[0].as_bytes()).unwrap().len(),
        32
    );
}

#[test]
fn more_cut_offs_than_one_scan_reads_are_all_read() {
    let Some(server) = Server::start() else {
        return;
    };
    let one = replica_of(&server, 10_000);
    assert!(becomes(|| status(&one, "a") != RevocationStatus::Unknown));
    let now = SystemTime::now();
    let all: Vec<_> = (0..2500)
        .map(|number| CutOff::subject("i", &number.to_string(), now))
        .collect();
    for cut_offs in all.chunks(500) {
        assert_eq!(record(&one, cut_offs), Ok(()));
    }
    assert_eq!(replica(&server).len(), 2500);
}

#[test]
fn without_redis_nothing_is_known_and_what_is_known_still_revokes() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let [strict, lenient] = [replica(&server), replica(&server).accept_unchecked()];
    assert_eq!(revoke(&strict, "ada"), Ok(()));
    assert!(becomes(
        || status(&lenient, "ada") == RevocationStatus::Revoked
    ));
    server.stop();
    assert!(becomes(
        || status(&strict, "eva") == RevocationStatus::Unknown
    ));
    assert_eq!(status(&strict, "ada"), RevocationStatus::Revoked);
    assert!(!strict.is_complete());
    assert_eq!(status(&lenient, "ada"), RevocationStatus::Revoked);
    assert!(matches!(
        status(&lenient, "eva"),
        RevocationStatus::Unrevoked(_)
    ));
    assert_eq!(revoke(&strict, "ida"), Err(RevokeError::Unavailable));
    assert!(strict.revokes(&of_subject("ida")));
    // It lost everything, and gets it back from those that know it.
    server.start_again();
    assert!(becomes(|| matches!(
        status(&strict, "eva"),
        RevocationStatus::Unrevoked(_)
    )));
    for subject in ["ada", "ida"] {
        assert_eq!(
            status(&replica(&server), subject),
            RevocationStatus::Revoked
        );
    }
}

#[test]
fn what_a_failover_has_lost_is_written_again_whatever_else_is_there() {
    let Some(server) = Server::start() else {
        return;
    };
    let one = replica(&server);
    let now = SystemTime::now();
    let [lost, outdated] = ["ada", "eva"].map(|of| CutOff::subject("i", of, now));
    assert_eq!(record(&one, &[lost.clone(), outdated.clone()]), Ok(()));
    let _: i64 = server.query(&["HDEL", "{test:}cut-offs", &key_of(&lost)]);
    let _: i64 = server.query(&[
        "HSET",
        "{test:}cut-offs",
        &key_of(&outdated),
        "1:9999999999",
    ]);
    for ended in ["ida", "ina", "ira"] {
        let ended = key_of(&CutOff::subject("i", ended, now));
        let _: i64 = server.query(&["HSET", "{test:}cut-offs", &ended, "1:2"]);
    }
    let _: i64 = server.query(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    let is_back = |cut_off: &CutOff| {
        let times: Option<String> = server.query(&["HGET", "{test:}cut-offs", &key_of(cut_off)]);
        let second = cut_off.kept_for(HOUR).second;
        times.is_some_and(|times| times.starts_with(&format!("{second}:")))
    };
    assert!(becomes(|| is_back(&lost) && is_back(&outdated)));
}

#[test]
fn many_revocations_do_not_hide_that_redis_answers() {
    let Some(server) = Server::start() else {
        return;
    };
    let replica = replica_of(&server, 100_000);
    assert!(becomes(
        || status(&replica, "eva") != RevocationStatus::Unknown
    ));
    let begun = Moment::now();
    let mut number = 0;
    while begun.elapsed() < LONGEST_UNCONFIRMED * 2 {
        assert_eq!(revoke(&replica, &number.to_string()), Ok(()));
        assert_ne!(status(&replica, "eva"), RevocationStatus::Unknown);
        number += 1;
    }
    assert!(number > 10);
}

#[test]
fn stores_in_two_databases_are_separate() {
    let Some(server) = Server::start() else {
        return;
    };
    let [one, other] = ["/1", "/2"].map(|database| {
        let url = server.url().replace("/1", database);
        let store = Revocations::in_redis(&url, "test:", 10).unwrap();
        assert!(becomes(
            || status(&store, "ada") != RevocationStatus::Unknown
        ));
        store
    });
    assert_eq!(revoke(&one, "ada"), Ok(()));
    // What is published arrives before the answer to a later request.
    assert_eq!(revoke(&other, "eva"), Ok(()));
    assert_ne!(status(&other, "ada"), RevocationStatus::Revoked);
    assert_eq!((one.len(), other.len()), (1, 1));
}

#[test]
fn a_server_that_rejects_writes_is_still_followed() {
    let Some(server) = Server::start() else {
        return;
    };
    let replica = replica(&server);
    let _: String = server.query(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(revoke(&replica, "ada"), Err(RevokeError::Unavailable));
    assert_eq!(status(&replica, "ada"), RevocationStatus::Revoked);
    assert_ne!(status(&replica, "eva"), RevocationStatus::Unknown);
}

#[test]
fn the_end_of_the_thread_leaves_everything_unknown() {
    let revocations = Revocations::in_memory(1);
    assert_ne!(status(&revocations, "ada"), RevocationStatus::Unknown);
    drop(FollowerEnd(std::sync::Arc::downgrade(&revocations.0)));
    assert_eq!(status(&revocations, "ada"), RevocationStatus::Unknown);
}

#[test]
fn a_redis_that_was_never_reached_leaves_everything_unknown() {
    let revocations = Revocations::in_redis("redis://127.0.0.1:1", "test:", 1).unwrap();
    assert_eq!(status(&revocations, "ada"), RevocationStatus::Unknown);
    assert_eq!(revoke(&revocations, "ada"), Err(RevokeError::Unavailable));
    let revocations = revocations.accept_unchecked();
    // What was to be recorded applies here.
    assert_eq!(status(&revocations, "ada"), RevocationStatus::Revoked);
    assert!(matches!(
        status(&revocations, "eva"),
        RevocationStatus::Unrevoked(_)
    ));
}

#[test]
fn the_number_is_bounded_for_all_replicas_together() {
    let Some(server) = Server::start() else {
        return;
    };
    let [one, other] = [replica_of(&server, 2), replica_of(&server, 2)];
    assert!(becomes(|| status(&one, "a") != RevocationStatus::Unknown));
    assert!(becomes(|| status(&other, "a") != RevocationStatus::Unknown));
    assert_eq!(revoke(&one, "ada"), Ok(()));
    let two = ["eva", "ida"].map(|of| CutOff::subject("i", of, SystemTime::now()));
    assert_eq!(record(&other, &two), Err(RevokeError::Full));
    assert_ne!(status(&other, "eva"), RevocationStatus::Revoked);
    assert_eq!(record(&other, &two[..1]), Ok(()));
    assert_eq!(record(&one, &two[1..]), Err(RevokeError::Full));
    assert_eq!(revoke(&one, "ada"), Ok(()));
    // One that has ended gives its place away.
    let _: i64 = server.query(&["ZADD", "{test:}ends", "1", &key_of(&two[0])]);
    assert_eq!(record(&one, &two[1..]), Ok(()));
}

fn key_of(cut_off: &CutOff) -> String {
    BASE64URL_NOPAD.encode(&cut_off.kept_for(HOUR).key.0)
}

#[test]
fn the_later_cut_off_of_a_subject_is_kept() {
    let Some(server) = Server::start() else {
        return;
    };
    let replica = replica(&server);
    let now = SystemTime::now();
    let [early, late] = [now - HOUR, now].map(|at| CutOff::subject("i", "ada", at));
    assert_eq!(record(&replica, std::slice::from_ref(&late)), Ok(()));
    assert_eq!(record(&replica, &[early]), Ok(()));
    let times: String = server.query(&["HGET", "{test:}cut-offs", &key_of(&late)]);
    let kept = late.kept_for(HOUR);
    assert_eq!(
        times,
        format!("{}:{}", kept.second, kept.until + CLOCK_SKEW)
    );
}

#[test]
fn malformed_contents_of_redis_change_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let key = key_of(&CutOff::subject("i", "ada", SystemTime::now()));
    for times in ["", "1", "x:2", "1:x", "-1:2", "1:2:3"] {
        let _: i64 = server.query(&["HSET", "{test:}cut-offs", &key, times]);
        assert!(replica(&server).is_empty(), "{times}");
    }
    let _: i64 = server.query(&["HSET", "{test:}cut-offs", &key, "1:2"]);
    let _: i64 = server.query(&["HSET", "{test:}cut-offs", "short", "1:2"]);
    let replica = replica(&server);
    assert_eq!(replica.len(), 1);
    for message in ["", ":", "x:1:2", &format!("{key}:1"), "\u{e9}"] {
        let heard: i64 = server.query(&["PUBLISH", "{test:}changes:1", message]);
        assert!(heard > 0);
    }
    assert_eq!(revoke(&replica, "eva"), Ok(()));
    assert_eq!(replica.len(), 2);
}

#[test]
fn only_a_redis_url_is_accepted_and_none_is_shown() {
    let error = Revocations::in_redis("http://redis.example", "test:", 1).unwrap_err();
    assert_eq!(error, RedisError::NotARedisUrl);
    let url = "redis://:secret@127.0.0.1:1";
    let shown = format!("{:?}", Revocations::in_redis(url, "test:", 1).unwrap());
    assert!(!shown.contains("secret"), "{shown}");
}
