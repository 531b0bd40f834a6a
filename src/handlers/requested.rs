//! The rows of a request for changes, and the rows of its answer.
//!
//! Some rows are refused before the controller is called: invalid rows, rows whose name occurs several times (they
//! become one row, as in Kafka), and rows that the client has no right to. The controller decides on the others, and
//! [`Rows::answer`] inserts its decisions.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::base::ErrorCode;
use crate::controller::Refusal;

/// The rows of the answer, named by `K`; some of them are refused already.
#[derive(Debug)]
pub(super) struct Rows<K>(Vec<(K, Option<Refusal>)>);

/// Selects the items for the controller. `duplicate` is the error for a key that several items have, and `permit`
/// checks the client's right to the others.
pub(super) fn sort_out<K: Clone + Eq + Hash, T>(
    items: Vec<(K, Result<T, Refusal>)>,
    duplicate: fn(&K) -> &'static str,
    permit: impl Fn(&K) -> Result<(), Refusal>,
) -> (Rows<K>, Vec<T>) {
    let mut count: HashMap<K, usize> = HashMap::with_capacity(items.len());
    for (key, _) in items.iter().filter(|(_, item)| item.is_ok()) {
        *count.entry(key.clone()).or_default() += 1;
    }
    let mut refused = HashSet::new();
    let (mut rows, mut asked) = (Vec::new(), Vec::new());
    for (key, item) in items {
        match item {
            Err(refusal) => rows.push((key, Some(refusal))),
            Ok(_) if count.get(&key).is_some_and(|count| *count > 1) => {
                if refused.insert(key.clone()) {
                    let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, duplicate(&key));
                    rows.push((key, Some(refusal)));
                }
            }
            Ok(item) => {
                let refusal = permit(&key).err();
                if refusal.is_none() {
                    asked.push(item);
                }
                rows.push((key, refusal));
            }
        }
    }
    (Rows(rows), asked)
}

impl<K> Rows<K> {
    /// The rows with the decisions, which are in the order of the items.
    pub(super) fn answer<D>(
        self,
        decided: Result<Vec<Result<D, Refusal>>, ErrorCode>,
    ) -> impl Iterator<Item = (K, Result<D, Refusal>)> {
        // If there is no decision, every row has the same code.
        let (decided, otherwise) = match decided {
            Ok(decided) => (decided, ErrorCode::UNKNOWN_SERVER_ERROR),
            Err(code) => (Vec::new(), code),
        };
        let mut decided = decided.into_iter();
        self.0.into_iter().map(move |(key, refusal)| {
            let result = match refusal {
                Some(refusal) => Err(refusal),
                None => decided
                    .next()
                    .unwrap_or_else(|| Err(Refusal::bare(otherwise))),
            };
            (key, result)
        })
    }
}

/// Numbers for names: a name may be long, so it is looked up once and not for each of its partitions.
#[derive(Debug, Default)]
pub(super) struct Numbered<'a>(HashMap<&'a str, usize>);

impl<'a> Numbered<'a> {
    /// The number of this name. Numbers start at 0, in the order of first occurrence.
    pub(super) fn number(&mut self, name: &'a str) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }

    /// The number of this name, if it has one.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::sort_out;
    use crate::base::ErrorCode;
    use crate::controller::Refusal;

    fn items() -> Vec<(&'static str, Result<u32, Refusal>)> {
        let wrong = Refusal::bare(ErrorCode::INVALID_TOPIC_EXCEPTION);
        vec![
            ("a", Ok(1)),
            ("b", Ok(2)),
            ("wrong", Err(wrong)),
            ("b", Ok(3)),
            ("c", Ok(4)),
            ("b", Ok(5)),
        ]
    }

    #[test]
    fn decisions_meet_their_rows() {
        let (rows, asked) = sort_out(items(), |_| "Twice.", |_| Ok(()));
        assert_eq!(asked, [1, 4]);
        let no = Refusal::bare(ErrorCode::INVALID_PARTITIONS);
        let answer: Vec<_> = rows.answer(Ok(vec![Ok("yes"), Err(no.clone())])).collect();
        assert_eq!(
            answer,
            [
                ("a", Ok("yes")),
                ("b", Err(Refusal::new(ErrorCode::INVALID_REQUEST, "Twice."))),
                (
                    "wrong",
                    Err(Refusal::bare(ErrorCode::INVALID_TOPIC_EXCEPTION))
                ),
                ("c", Err(no)),
            ]
        );
    }

    #[test]
    fn what_the_client_may_not_ask_for_is_not_decided() {
        let denial = Refusal::bare(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        let permit = |key: &&str| {
            if *key == "a" || *key == "b" {
                Err(denial.clone())
            } else {
                Ok(())
            }
        };
        let (rows, asked) = sort_out(items(), |_| "Twice.", permit);
        assert_eq!(asked, [4]);
        let codes: Vec<_> = rows
            .answer(Ok(vec![Ok("yes")]))
            .map(|(key, result)| (key, result.map_err(|refusal| refusal.code.0)))
            .collect();
        assert_eq!(
            codes,
            [
                ("a", Err(29)),
                ("b", Err(42)),
                ("wrong", Err(17)),
                ("c", Ok("yes"))
            ]
        );
    }

    #[test]
    fn without_a_decision_every_row_that_was_asked_for_has_its_code() {
        let (rows, _) = sort_out(items(), |_| "Twice.", |_| Ok(()));
        let codes: Vec<_> = rows
            .answer::<()>(Err(ErrorCode::NOT_CONTROLLER))
            .filter_map(|(_, result)| result.err().map(|refusal| refusal.code.0))
            .collect();
        assert_eq!(codes, [41, 42, 17, 41]);
    }
}
