//! Which readers there are: a line each.

use std::sync::Arc;

use serde_json::Value;

use crate::settings::{Settings, Unusable};
use crate::{X2Text, llmwhisperer, no_op, unstructured};

/// A kind of reader that tenants set up.
pub(crate) struct Provider {
    /// What stands before the bar in the id of an adapter.
    pub(crate) name: &'static str,
    /// Makes one of what stands behind the bar, its settings and the way out. Nothing is sent.
    pub(crate) make: Make,
}

type Make = fn(&str, Settings<'_>, &outbound::Client) -> Result<Arc<dyn X2Text>, Unusable>;

const PROVIDERS: &[Provider] =
    &[llmwhisperer::PROVIDER, unstructured::COMMUNITY, unstructured::ENTERPRISE, no_op::PROVIDER];

/// The reader that an adapter names by `provider|id` and its settings, reached by that way out alone. Nothing is sent yet.
///
/// # Errors
/// [`Unusable`]
pub fn reader(adapter_id: &str, settings: &Value, way_out: &outbound::Client) -> Result<Arc<dyn X2Text>, Unusable> {
    let (name, kind) = adapter_id.split_once('|').unwrap_or((adapter_id, ""));
    let provider = PROVIDERS.iter().find(|provider| provider.name.eq_ignore_ascii_case(name));
    let provider = provider.ok_or_else(|| {
        let supported: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
        let advice = format!("supported are {}", supported.join(", "));
        Unusable::Unsupported { provider: name.to_owned(), advice }
    })?;
    (provider.make)(kind, Settings(settings), way_out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn made(adapter_id: &str, settings: &Value) -> Result<Arc<dyn X2Text>, Unusable> {
        reader(adapter_id, settings, &outbound::Client::new(outbound::Policy::default()))
    }

    #[test]
    fn readers_have_names_of_their_own_and_fingerprints_of_their_own() {
        let names: BTreeSet<String> = PROVIDERS.iter().map(|provider| provider.name.to_lowercase()).collect();
        assert_eq!(names.len(), PROVIDERS.len());
        let settings = json!({ "unstract_key": "k", "api_key": "k", "url": "https://reader.example.com" });
        let prints: BTreeSet<String> =
            names.iter().map(|name| made(&format!("{name}|1"), &settings).ok().unwrap().fingerprint()).collect();
        assert_eq!(prints.len(), PROVIDERS.len() - 1, "both kinds of Unstructured are the same at one address");
    }

    #[test]
    fn what_is_not_supported_is_refused_with_what_is() {
        let refused = made("llamaparse|78860239", &json!({})).err().unwrap();
        assert_eq!(refused.code(), "adapter_unsupported");
        assert!(refused.to_string().contains("llmwhisperer, unstructuredcommunity"), "{refused}");
    }

    #[test]
    fn an_address_inside_the_network_is_refused_before_anything_is_sent() {
        for name in ["llmwhisperer", "unstructuredenterprise"] {
            let settings = json!({ "unstract_key": "sk-1", "api_key": "sk-1", "url": "http://10.0.0.7:8000" });
            let refused = made(&format!("{name}|1"), &settings).err().unwrap();
            assert_eq!(refused.code(), "x2text_address_refused");
            let told = refused.to_string();
            assert!(told.contains("--outbound-allow 10.0.0.7") && !told.contains("sk-1"), "{told}");
        }
    }
}
