//! Mutation of inputs: seeded, guided by what the target reports, and without a special compiler.

use fastrand::Rng;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Inputs of one target, and the texts that it has reported so far.
pub struct Corpus {
    inputs: Vec<Vec<u8>>,
    /// Bytes of the inputs that were kept.
    kept: usize,
    seen: HashSet<u64>,
    words: Vec<Vec<u8>>,
    longest: usize,
}

/// Most inputs that are kept in memory, and most bytes of them. The memory of a target includes them.
const MOST_INPUTS: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

impl Corpus {
    /// Starts with seeds. `words` are inserted by mutations; the longest input has `longest` bytes.
    pub fn new(seeds: Vec<Vec<u8>>, words: Vec<Vec<u8>>, longest: usize) -> Self {
        let inputs = if seeds.is_empty() { vec![Vec::new()] } else { seeds };
        Self { inputs, kept: 0, seen: HashSet::new(), words, longest }
    }

    /// Returns the number of inputs.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns whether there is no input. There is always one.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Returns a seed or an input that was kept.
    pub fn input(&self, at: usize) -> &[u8] {
        &self.inputs[at % self.inputs.len()]
    }

    /// Keeps an input if the target reported something new about it.
    pub fn note(&mut self, input: &[u8], outcome: &str) {
        let has_room = self.inputs.len() < MOST_INPUTS && self.kept < MOST_BYTES;
        if has_room && self.seen.insert(signature(outcome)) {
            self.kept += input.len();
            self.inputs.push(input.to_vec());
        }
    }

    /// Returns a new input.
    pub fn mutated(&self, random: &mut Rng) -> Vec<u8> {
        // Newer inputs are nearer to what has not been tried.
        let newest = random.usize(..self.inputs.len()).max(random.usize(..self.inputs.len()));
        let mut input = self.inputs[newest].clone();
        for _ in 0..1 << random.u32(0..5) {
            self.mutate(&mut input, random);
        }
        input.truncate(self.longest);
        input
    }

    fn mutate(&self, input: &mut Vec<u8>, random: &mut Rng) {
        let at = random.usize(..=input.len());
        match random.u32(0..12) {
            0 => change(input, at, |byte| byte ^ (1 << random.u32(..8))),
            1 => change(input, at, |_| random.u8(..)),
            2 => change(input, at, |byte| byte.wrapping_add(random.u8(..8)).wrapping_sub(4)),
            3 => _ = input.drain(at..(at + random.usize(..32)).min(input.len())),
            4 => insert(input, at, &[random.u8(..)].repeat(random.usize(..8))),
            5 | 6 => insert(input, at, &self.word(random)),
            7 => {
                let (start, end) = span(input, random);
                replace(input, start, end, &self.word(random));
            }
            8 => {
                let (start, end) = span(input, random);
                let part = input[start..end].to_vec();
                insert(input, at, &part.repeat(1 + random.usize(..4)));
            }
            9 => {
                let other = &self.inputs[random.usize(..self.inputs.len())];
                let (start, end) = span(other, random);
                insert(input, at, &other[start..end]);
            }
            10 => number(input, random),
            _ => token(input, &self.word(random), random),
        }
        input.truncate(2 * self.longest);
    }

    fn word(&self, random: &mut Rng) -> Vec<u8> {
        let general: [&[u8]; 16] = [
            b"null",
            b"true",
            b"[]",
            b"{}",
            b"\"\"",
            b"0",
            b"-1",
            b"1e999",
            b"18446744073709551616",
            b"9223372036854775807",
            b"\n",
            b"\\u0000",
            b"\\ud800",
            b"\xff",
            b"\xe2\x80\xae",
            b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        ];
        match self.words.len() {
            0 => general[random.usize(..general.len())].to_vec(),
            _ if random.u8(..4) == 0 => general[random.usize(..general.len())].to_vec(),
            words => self.words[random.usize(..words)].clone(),
        }
    }
}

/// Returns a hash of the lower-case words of a text outside of quotes: values of the input stand between quotes.
fn signature(outcome: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in outcome.split(['"', '`']).step_by(2).take(200) {
        let words = part.split(|c: char| !c.is_ascii_lowercase()).filter(|word| word.len() > 1);
        words.take(500).for_each(|word| word.hash(&mut hasher));
    }
    hasher.finish()
}

fn change(input: &mut [u8], at: usize, new: impl FnOnce(u8) -> u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = new(*byte);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    replace(input, at, at, bytes);
}

fn replace(input: &mut Vec<u8>, start: usize, end: usize, bytes: &[u8]) {
    input.splice(start..end, bytes.iter().copied());
}

/// Returns a part of an input, mostly a short one.
fn span(input: &[u8], random: &mut Rng) -> (usize, usize) {
    let start = random.usize(..=input.len());
    let longest = 1 << random.u32(1..9);
    (start, (start + random.usize(..longest)).min(input.len()))
}

/// Replaces the digits of a number by another number.
fn number(input: &mut Vec<u8>, random: &mut Rng) {
    let Some(start) = position(input, random, |byte| byte.is_ascii_digit()) else { return };
    let end =
        input[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(input.len(), |length| start + length);
    let new = match random.u32(0..6) {
        0 => i64::MAX.to_string(),
        1 => u64::MAX.to_string(),
        2 => "9".repeat(random.usize(1..24)),
        3 => format!("{}.{}", random.u16(..), random.u16(..)),
        4 => random.u64(..).to_string(),
        _ => random.u8(..).to_string(),
    };
    replace(input, start, end, new.as_bytes());
}

/// Replaces a value between two delimiters of JSON, CSV or TOML by a word.
fn token(input: &mut Vec<u8>, word: &[u8], random: &mut Rng) {
    let is_delimiter = |byte: u8| b",:[]{}\"=\n ".contains(&byte);
    let Some(at) = position(input, random, is_delimiter) else { return };
    let end = input[at + 1..].iter().position(|byte| is_delimiter(*byte)).map_or(input.len(), |length| at + 1 + length);
    replace(input, at + 1, end, word);
}

/// Returns the position of a byte of a kind, searched from a random place on.
fn position(input: &[u8], random: &mut Rng, is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let start = random.usize(..=input.len());
    let found = input[start..].iter().position(|byte| is_wanted(*byte)).map(|length| start + length);
    found.or_else(|| input.iter().position(|byte| is_wanted(*byte)))
}
