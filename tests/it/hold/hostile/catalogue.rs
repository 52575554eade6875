//! The catalogue of misbehaviours: each has a name, the answers that it applies to, and the function that makes it.
//!
//! Every misbehaviour must contradict something that the program receives, so that the program can detect it. A server
//! that leaves a row out and reports a total without it is left out here: nothing shows that lie.

mod bodies;
mod lists;
mod statuses;
mod tokens;
mod transport;

use super::answer::{Answer, Request, rows, total};
use fastrand::Rng;

/// What a misbehaviour can use.
pub struct Turn<'a> {
    pub rng: Rng,
    pub request: &'a Request,
    /// What the sandbox answers to the request.
    pub honest: Answer,
    /// An earlier answer of this run to the same path.
    pub earlier: Option<Answer>,
    /// Address of the sandbox.
    pub upstream: &'a str,
}

/// Answers that a misbehaviour applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    Always,
    /// Answers with a list.
    Lists,
    /// Answers with a list that reports its total.
    Totals,
    Tokens,
    /// Answers without a list.
    Others,
}

impl Applies {
    fn to(self, request: &Request, honest: &Answer) -> bool {
        let is_list = || request.method == "GET" && honest.value().is_some_and(|mut value| rows(&mut value).is_some());
        match self {
            Self::Always => true,
            Self::Lists => is_list(),
            Self::Totals => is_list() && total(honest).is_some(),
            Self::Tokens => request.is_token(),
            Self::Others => !is_list(),
        }
    }
}

/// One way to answer wrongly.
#[derive(Clone, Copy)]
pub struct Misbehaviour {
    pub name: &'static str,
    applies: Applies,
    /// Whether the program has to wait for it. The short test leaves these out.
    pub is_slow: bool,
    make: fn(Turn<'_>) -> Answer,
}

impl Misbehaviour {
    const fn new(name: &'static str, applies: Applies, make: fn(Turn<'_>) -> Answer) -> Self {
        Self { name, applies, is_slow: false, make }
    }

    const fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// Checks whether the misbehaviour can replace an answer.
    pub fn applies_to(&self, request: &Request, honest: &Answer) -> bool {
        self.applies.to(request, honest)
    }

    /// Returns the wrong answer.
    pub fn answer(&self, turn: Turn<'_>) -> Answer {
        (self.make)(turn)
    }
}

/// Returns every misbehaviour.
pub fn all() -> Vec<Misbehaviour> {
    [&transport::ALL[..], &statuses::ALL[..], &bodies::ALL[..], &lists::ALL[..], &tokens::ALL[..]].concat()
}

/// Returns a lie that nothing contradicts. It is no part of the catalogue.
pub fn undetectable() -> Misbehaviour {
    lists::UNDETECTABLE
}
