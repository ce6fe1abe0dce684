//! Implicit meta policies: policies of the same name in the groups below (spec/07 §9.3).

use selvedge_proto::common::ImplicitMetaPolicy as Definition;
use selvedge_proto::common::implicit_meta_policy::Rule;

/// How many of the groups directly below must have their own policy of a name satisfied.
#[derive(Clone, Debug)]
pub(crate) struct ImplicitMetaPolicy {
    pub(crate) sub_policy: String,
    /// None for a rule nobody knows, which is never satisfied. (Fabric then accepts exactly the sets that satisfy no
    /// policy below.)
    rule: Option<Rule>,
}

impl ImplicitMetaPolicy {
    pub(crate) fn new(definition: Definition) -> Self {
        Self { sub_policy: definition.sub_policy, rule: Rule::try_from(definition.rule).ok() }
    }

    /// How many of `count` groups are needed; None: no number is enough. Nothing is needed of no groups.
    pub(crate) fn threshold(&self, count: usize) -> Option<usize> {
        if count == 0 {
            return self.rule.map(|_| 0);
        }
        self.rule.map(|rule| match rule {
            Rule::Any => 1,
            Rule::All => count,
            Rule::Majority => count / 2 + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(rule: i32, count: usize) -> Option<usize> {
        ImplicitMetaPolicy::new(Definition { sub_policy: "Readers".to_owned(), rule }).threshold(count)
    }

    #[test]
    fn thresholds() {
        assert_eq!([0, 1, 2, 5].map(|count| threshold(Rule::Any as i32, count)), [0, 1, 1, 1].map(Some));
        assert_eq!([0, 1, 2, 5].map(|count| threshold(Rule::All as i32, count)), [0, 1, 2, 5].map(Some));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|count| threshold(Rule::Majority as i32, count)),
            [0, 1, 2, 2, 3].map(Some)
        );
        assert_eq!(threshold(7, 3), None);
        assert_eq!(threshold(-1, 0), None);
    }
}
