//! Prints the microseconds of processor time for one RS256 verification with a key of 2048 bits, by aws-lc alone: what no
//! verification of a token can go below.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use cpu_time::ThreadTime;

fn main() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let message = [b'm'; MESSAGE];
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        &message,
        &mut signature,
    )
    .expect("a signature");
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .expect("a public key");
    let round = |_| {
        let start = ThreadTime::now();
        for _ in 0..VERIFICATIONS {
            key.verify_sig(&message, &signature).expect("valid");
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(VERIFICATIONS)
    };
    let mut rounds = std::array::from_fn::<_, 9, _>(round);
    rounds.sort_by(f64::total_cmp);
    println!("{:.2}", rounds[4]);
}

/// The signed bytes of a usual token.
const MESSAGE: usize = 560;

const VERIFICATIONS: u32 = 2_000;
