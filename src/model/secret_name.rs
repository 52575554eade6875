//! Decides by its name whether a field contains a secret. Pure.

/// Words that mean a secret wherever they are in a name. No other word contains them.
const ANYWHERE: [&str; 26] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "privatekey",
    "apikey",
    "accesskey",
    "credential",
    "otpseed",
    "sharedkey",
    "signingkey",
    "encryptionkey",
    "passcode",
    "recoverycode",
    "backupcode",
    "sessionid",
    "authorization",
    "bearer",
    "passhash",
    "pwhash",
    "ntlm",
    "totp",
    "mfaseed",
    "cookie",
];

/// Words that mean a secret only as whole words: `author`, `hashtag` and `shopping` contain them, too.
const WHOLE: [&str; 9] = ["auth", "oauth", "hash", "hashes", "hashed", "salt", "salts", "salted", "pin"];

/// Ends of words that are written together, such as `userhash`.
const ENDS: [&str; 3] = ["auth", "hash", "salt"];

/// Words that follow in a word that is written together, such as `pincode`.
const FOLLOWING: [&str; 14] = [
    "code", "codes", "data", "header", "headers", "hex", "info", "key", "number", "num", "string", "text", "value",
    "values",
];

/// Words in front of `pin` in a word that is written together, such as `userpin`.
const BEFORE_PIN: [&str; 12] =
    ["user", "login", "sms", "mfa", "otp", "card", "device", "phone", "unlock", "security", "access", "my"];

/// Last words of names that describe a secret and do not contain it: `auth_method`, `hash_algorithm`.
const DESCRIPTIONS: [&str; 14] = [
    "type",
    "types",
    "method",
    "methods",
    "mode",
    "provider",
    "source",
    "policy",
    "algorithm",
    "status",
    "state",
    "scheme",
    "required",
    "enabled",
];

/// Returns whether a field name denotes a secret in any spelling: `private_key`, `privateKey`, `Private-Key`, `authHeader`.
/// A public key is not a secret.
pub fn is_secret(name: &str) -> bool {
    // Separators and case differ between products, so only letters and digits are compared.
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let together: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    // The number of passkeys is no secret, although its name contains "credential". Rules need it.
    if together == "fido2credentialcount" {
        return false;
    }
    if ANYWHERE.iter().any(|word| together.contains(word)) {
        return true;
    }
    let words = words(name);
    let is_description = words.last().is_some_and(|last| DESCRIPTIONS.contains(&last.as_str()));
    !is_description && words.iter().any(|word| is_secret_word(word))
}

fn is_secret_word(word: &str) -> bool {
    let follows = |first: &str| word.strip_prefix(first).is_some_and(|rest| FOLLOWING.contains(&rest));
    WHOLE.contains(&word)
        || ENDS.iter().any(|end| word.ends_with(end))
        || ["auth", "hash", "salt", "pin"].into_iter().any(follows)
        || word.strip_suffix("pin").is_some_and(|before| BEFORE_PIN.contains(&before))
}

/// Returns the words of a name in lower case: `userPINCode` and `user-pin_code` have the words user, pin and code.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let next_is_lower = chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
        // A capital begins a word after a small letter, and before one: the C of `PINCode`.
        let begins = c.is_ascii_uppercase() && (before.as_ref().is_some_and(char::is_ascii_lowercase) || next_is_lower);
        if begins || !c.is_ascii_alphabetic() {
            words.push(String::new());
        }
        if c.is_ascii_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised_in_every_spelling() {
        for name in [
            "auth",
            "Auth",
            "authHeader",
            "auth_header",
            "AUTH-HEADER",
            "basicAuth",
            "x-auth",
            "authcode",
            "oauth2",
            "bearer",
            "bearerValue",
            "cookie",
            "session_cookie",
            "sessionCookie",
            "SessionCookies",
            "sessioncookie",
            "hash",
            "Hash",
            "passwordHash",
            "user_hash",
            "hashedValue",
            "sha256Hash",
            "ntHash",
            "userhash",
            "salt",
            "passwordSalt",
            "hash-salt",
            "pin",
            "PIN",
            "pinCode",
            "pin_code",
            "PINCode",
            "pincode",
            "user.pin",
            "userPIN",
            "Pin2",
            "userpin",
            "UserPinCode",
            "ClientSecret",
            "Private-Key",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn words_that_only_contain_such_a_word_and_descriptions_are_no_secrets() {
        for name in [
            "author",
            "authors",
            "coAuthor",
            "authority",
            "authenticated",
            "last_authentication",
            "shopping",
            "shippingAddress",
            "pinned",
            "isPinned",
            "mapping",
            "groupMapping",
            "spin",
            "opinion",
            "hashtag",
            "hash_algorithm",
            "auth_method",
            "authType",
            "pinRequired",
            "saltPolicy",
            "publicKeyType",
            "fido2_credential_count",
            "Alpine",
            "typing",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
