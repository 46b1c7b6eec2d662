//! The models of one provider: those that the operator named, those that the upstream says it has, and what is known of
//! each. A plan looks at every candidate, so that it takes one look into a table to know a model.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::{self, ModelInfo};

/// The models of one provider.
pub(super) struct Models {
    /// Those that the operator named.
    named: Vec<ModelInfo>,
    /// What is known of models, whether they are there or not.
    known: Vec<ModelInfo>,
    table: ArcSwap<Table>,
}

/// All models as they are at one time.
struct Table {
    /// Those that are there: the named ones first.
    listed: Vec<Arc<ModelInfo>>,
    /// Those, and the ones of which only something is known.
    facts: HashMap<String, Arc<ModelInfo>>,
}

impl Models {
    /// Those of the configuration, while the upstream has not been asked.
    pub(super) fn new(config: &config::Provider) -> Self {
        let (named, known) = (config.models.clone(), config.known_models.clone());
        let table = ArcSwap::from_pointee(Table::new(&named, &known, Vec::new()));
        Self { named, known, table }
    }

    /// Keeps what the upstream says that it has, in place of what it said before.
    pub(super) fn set_discovered(&self, models: Vec<ModelInfo>) {
        self.table.store(Arc::new(Table::new(&self.named, &self.known, models)));
    }

    /// Those that are there: the named ones, then those that the upstream says it has.
    pub(super) fn list(&self) -> Vec<ModelInfo> {
        self.table.load().listed.iter().map(|model| ModelInfo::clone(model)).collect()
    }

    /// Whether a model is there, as far as it is known.
    pub(super) fn has(&self, model: &str) -> bool {
        self.table.load().listed.iter().any(|known| known.id == model)
    }

    /// What is known of a model, whether it is there or not.
    pub(super) fn facts(&self, model: &str) -> Arc<ModelInfo> {
        let known = self.table.load().facts.get(model).map(Arc::clone);
        known.unwrap_or_else(|| Arc::new(ModelInfo::named(model)))
    }
}

impl Table {
    fn new(named: &[ModelInfo], known: &[ModelInfo], discovered: Vec<ModelInfo>) -> Self {
        let others = discovered.into_iter().filter(|model| named.iter().all(|named| named.id != model.id));
        // What the operator knows goes before what the upstream says.
        let others = others.map(|model| match known.iter().find(|known| known.id == model.id) {
            Some(known) => known.clone().or_known(&[model]),
            None => model,
        });
        let listed: Vec<_> = named.iter().cloned().chain(others).map(Arc::new).collect();
        let mut facts: HashMap<_, _> = HashMap::new();
        for model in listed.iter().cloned().chain(known.iter().cloned().map(Arc::new)) {
            facts.entry(model.id.clone()).or_insert(model);
        }
        Self { listed, facts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, context_window: Option<u64>) -> ModelInfo {
        ModelInfo { context_window, ..ModelInfo::named(id) }
    }

    #[test]
    fn what_the_operator_knows_goes_before_what_the_upstream_says() {
        let (named, known) = ([model("a", Some(1))], [model("b", Some(2)), model("c", Some(3))]);
        let told = vec![model("a", Some(9)), model("b", Some(9)), model("d", Some(4))];
        let table = Table::new(&named, &known, told);
        let listed: Vec<_> = table.listed.iter().map(|model| (model.id.as_str(), model.context_window)).collect();
        assert_eq!(listed, [("a", Some(1)), ("b", Some(2)), ("d", Some(4))]);
        assert_eq!(table.facts["c"].context_window, Some(3), "known, but not there");
        assert_eq!(table.facts.len(), 4);
    }
}
