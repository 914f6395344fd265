//! Which adapter a request names. No stage, but what stages share.

use protocol::resolved::AdapterInstance;
use protocol::{TaskError, TenantId};

use crate::resolver::Resolver;

/// The adapter of that tenant with that id, which has to be of that type. `setting` is what names it in a request.
///
/// # Errors
/// `adapter_unknown` or `adapter_wrong_type` for good, `resolver_unavailable` for now.
pub(super) async fn adapter(
    resolver: &dyn Resolver,
    tenant: &TenantId,
    id: &str,
    (adapter_type, setting): (&str, &str),
) -> Result<AdapterInstance, TaskError> {
    let unknown = |advice: &str| {
        let message = format!("there is no adapter {id:?}, which {setting} names; {advice}");
        TaskError::permanent("adapter_unknown", message)
    };
    if id.contains('|') {
        return Err(unknown(
            "it names a kind of adapter; requests name an instance of one: set it up with POST /api/v1/adapters \
             and give the id that comes back",
        ));
    }
    let advice = "GET /api/v1/adapters lists those of the tenant";
    if !is_id(id) {
        return Err(unknown(advice));
    }
    let found = resolver.adapter(tenant, id).await;
    let found = found.map_err(|error| TaskError::transient("resolver_unavailable", error.to_string()))?;
    let adapter = found.ok_or_else(|| unknown(advice))?;
    if adapter.adapter_type == adapter_type {
        return Ok(adapter);
    }
    let kind = &adapter.adapter_type;
    let message = format!("adapter {id:?} is of type {kind}, and {setting} takes one of type {adapter_type}");
    Err(TaskError::permanent("adapter_wrong_type", message))
}

/// Whether an adapter may have that id.
fn is_id(name: &str) -> bool {
    name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
