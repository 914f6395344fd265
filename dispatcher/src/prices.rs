//! What models cost, as an operator wrote it down. Nobody else in the fleet knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use protocol::answer::ModelUsage;
use serde::Deserialize;

/// Prices in force now. They are applied to sums when these are read, so a changed price changes what the past is said to
/// have cost. Without any, no cost is known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// What the amounts are in, such as `EUR`; shown beside them.
    pub currency: String,
    /// Of one page that is extracted.
    #[serde(default)]
    page: Option<f64>,
    /// By the name of the model.
    #[serde(default)]
    models: BTreeMap<String, Price>,
}

/// Prices of one model. What is left out is unknown, but calls are free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    /// Of one call.
    #[serde(default)]
    call: f64,
    /// Of a million tokens sent.
    #[serde(default)]
    input: Option<f64>,
    /// Of a million tokens received.
    #[serde(default)]
    output: Option<f64>,
    /// Of a million tokens embedded.
    #[serde(default)]
    embedding: Option<f64>,
}

/// Prices that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("price list {} cannot be read; name another with --prices or FLOTILLA_PRICES", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// It is no price list.
    #[error(
        "{} is no price list; write {{\"currency\": \"EUR\", \"page\": 0, \"models\": {{\"NAME\": {{\"input\": 0.5, \
         \"output\": 1.5}}}}}}, per page and per million tokens", .0.display()
    )]
    Invalid(PathBuf, #[source] serde_json::Error),
    /// An amount makes no sense.
    #[error("price list {}: an amount of {what} is negative; write 0 or more", path.display())]
    Negative {
        /// The file.
        path: PathBuf,
        /// `page`, or the model's name.
        what: String,
    },
}

impl Prices {
    /// The prices in a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|error| Error::Unreadable(path.to_path_buf(), error))?;
        let prices: Self = serde_json::from_slice(&text).map_err(|error| Error::Invalid(path.to_path_buf(), error))?;
        match prices.negative().map(str::to_owned) {
            Some(what) => Err(Error::Negative { path: path.to_path_buf(), what }),
            None => Ok(prices),
        }
    }

    /// The model, or `page`, that has an amount below 0.
    fn negative(&self) -> Option<&str> {
        let of_models = self.models.iter().map(|(name, price)| {
            let Price { call, input, output, embedding } = *price;
            (name.as_str(), [Some(call), input, output, embedding])
        });
        let mut all = of_models.chain([("page", [self.page, None, None, None])]);
        all.find(|(_, amounts)| amounts.iter().flatten().any(|amount| *amount < 0.0)).map(|(name, _)| name)
    }

    /// What this costs; `None` when a price is missing for any of it.
    #[must_use]
    pub fn cost(&self, model: Option<&str>, asked: &ModelUsage, pages: u64) -> Option<f64> {
        let pages = amount(pages, self.page)?;
        if *asked == ModelUsage::default() {
            return Some(pages);
        }
        let price = self.models.get(model?)?;
        let million = |tokens: u64, price: Option<f64>| Some(amount(tokens, price)? / 1_000_000.0);
        Some(
            pages
                + amount(asked.calls, Some(price.call))?
                + million(asked.input_tokens, price.input)?
                + million(asked.output_tokens, price.output)?
                + million(asked.embedding_tokens, price.embedding)?,
        )
    }
}

/// Nothing costs nothing, whatever its price.
fn amount(count: u64, price: Option<f64>) -> Option<f64> {
    if count == 0 { Some(0.0) } else { price.map(|price| count as f64 * price) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Prices, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Prices::load(file.path())
    }

    #[test]
    fn a_cost_is_known_when_every_price_of_it_is() {
        let prices = load(
            r#"{"currency": "EUR", "page": 0.01, "models": {"a": {"input": 0.5, "output": 2, "call": 0.001}, "free": {}}}"#,
        )
        .unwrap();
        let asked = |calls, input_tokens, output_tokens, embedding_tokens| ModelUsage {
            calls,
            input_tokens,
            output_tokens,
            embedding_tokens,
        };
        assert_eq!(prices.cost(Some("a"), &asked(1, 1_000_000, 500_000, 0), 0), Some(1.501));
        assert_eq!(prices.cost(Some("a"), &asked(1, 1, 1, 1), 0), None, "embeddings have no price");
        assert_eq!(prices.cost(Some("free"), &asked(7, 0, 0, 0), 0), Some(0.0));
        assert_eq!(prices.cost(Some("b"), &asked(1, 0, 0, 0), 0), None);
        assert_eq!(prices.cost(None, &asked(1, 0, 0, 0), 0), None);
        assert_eq!(prices.cost(None, &ModelUsage::default(), 3), Some(0.03));
        assert_eq!(Prices::default().cost(None, &ModelUsage::default(), 3), None);
        assert_eq!(Prices::default().cost(None, &ModelUsage::default(), 0), Some(0.0));
    }

    #[test]
    fn a_bad_price_list_is_refused_with_what_one_looks_like() {
        assert!(load(r#"{"currency": "EUR", "modles": {}}"#).unwrap_err().to_string().contains("per million tokens"));
        let negative = load(r#"{"currency": "EUR", "models": {"a": {"input": -1}}}"#).unwrap_err();
        assert!(negative.to_string().contains("an amount of a is negative"), "{negative}");
        let nowhere = Prices::load(Path::new("nowhere.json")).unwrap_err();
        assert!(nowhere.to_string().contains("--prices"), "{nowhere}");
    }
}
