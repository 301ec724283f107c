//! The signature of a call, compared with the far side's own reading of it, which shares no code with ours; and with
//! signatures that other programs made, where there is a file of them.

use postsale::gateway::aliexpress::signature;
use postsale::sandbox::aliexpress::expected_signature;
use postsale::secret::Secret;
use serde_json::{Value, json};

/// Dice that fall the same way every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most).unwrap()
    }

    /// A name of letters of both cases, digits and underscores.
    fn name(&mut self) -> String {
        let letters = "abcxyzABCXYZ019__";
        (0..=self.below(8)).map(|_| letters.chars().nth(self.below(17)).unwrap()).collect()
    }

    /// Reserved characters, other scripts, quotes and line ends; sometimes JSON in JSON.
    fn value(&mut self) -> String {
        let pieces = [
            "a", "Z", "_", "0", " ", "&", "=", "+", "%", "/", "?", "#", "\"", "\\", "\n", "~", "*", "'", "é", "Ñ", "ß",
            "中", "文", "🎁", "ع", "\u{0}", "\u{200d}", "%20", "{", "}",
        ];
        let plain: String = (0..=self.below(20)).map(|_| pieces[self.below(pieces.len() as u64)]).collect();
        match self.below(4) {
            0 => json!({ "inner": json!({ "address": plain, "n": self.below(1000) }).to_string(), "b": [plain] })
                .to_string(),
            _ => plain,
        }
    }
}

#[test]
fn ten_thousand_random_calls_are_signed_as_the_far_side_reads_them() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut longest = 0;
    for round in 0..10_000 {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for _ in 0..=dice.below(12) {
            let (name, value) = (dice.name(), dice.value());
            if name != "sign" && !parameters.iter().any(|(known, _)| *known == name) {
                parameters.push((name, value));
            }
        }
        let path = ["", "/auth/token/create", "/auth/token/refresh"][dice.below(3)];
        let secret = dice.value();
        let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let ours = signature(path, pairs, &Secret::new(secret.as_str())).unwrap();
        assert_eq!(ours, expected_signature(&secret, path, &parameters), "{round}: {parameters:?}");
        longest = longest.max(parameters.len());
    }
    assert!(longest > 8, "the dice are dull");
}

/// `POSTSALE_SIGN_VECTORS` names a file of signatures like the one beside these tests.
#[test]
fn every_signature_of_another_program_comes_out() {
    let Some(path) = std::env::var_os("POSTSALE_SIGN_VECTORS") else {
        println!("skipped: POSTSALE_SIGN_VECTORS names no file of signatures");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let mut checked = 0;
    for vector in vectors.iter().filter(|v| v["normative"] == true) {
        let text = |name: &str| vector[name].as_str().unwrap();
        let is_system = text("protocol").starts_with("rest");
        let path = if is_system { text("api_path_or_method") } else { "" };
        let parameters = vector["params"].as_object().unwrap();
        let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        assert_eq!(signature(path, pairs, &Secret::new(text("app_secret"))).unwrap(), text("sign"), "{}", text("name"));
        checked += 1;
    }
    assert!(checked > 0, "no signature in {}", path.display());
}
