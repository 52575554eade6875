//! Tests of signing keys and signatures.

use super::KEY;
use crate::syslog::http::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use secrecy::SecretString;

fn parse(text: &str) -> Result<SigningKey, String> {
    SigningKey::parse(SecretString::from(text))
}

#[test]
fn signature_is_that_of_the_example_in_the_specification() {
    let key = parse(KEY).unwrap();
    let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn keys_of_24_to_64_bytes_are_accepted_with_and_without_padding() {
    for length in [24, 25, 32, 64] {
        let key = vec![7; length];
        for text in [STANDARD.encode(&key), STANDARD_NO_PAD.encode(&key)] {
            assert!(parse(&format!("whsec_{text}")).is_ok(), "{length}");
        }
    }
}

#[test]
fn other_keys_are_refused_with_the_cure_and_without_the_key() {
    let short = format!("whsec_{}", STANDARD.encode([7; 23]));
    let long = format!("whsec_{}", STANDARD.encode([7; 65]));
    for (text, why) in [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "must be whsec_ followed by base64"),
        ("whsec_MfKQ9r8GKYqr!", "is not base64"),
        (short.as_str(), "has 23 bytes, and a key has 24 to 64"),
        (long.as_str(), "has 65 bytes"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(why) && error.contains("openssl rand -base64 32"), "{error}");
        assert!(!error.contains(text.trim_start_matches("whsec_")), "{error}");
    }
    assert!(!format!("{:?}", parse(KEY).unwrap()).contains("MfKQ"));
}
