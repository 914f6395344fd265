//! Every way in which a call can fail: one table of stable codes, from which answers, pages and documentation come.

use axum::http::StatusCode;
use serde::{Serialize, Serializer};

/// Makes the enum and everything that is said about each of its variants.
macro_rules! codes {
    ($($variant:ident $name:literal $status:ident $title:literal $meaning:literal $fix:literal;)+) => {
        /// A stable code, for programs. It never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)+
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The HTTP status that it comes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// A short phrase.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix),+ }
            }

            /// Where it is explained, as a link within the API.
            #[must_use]
            pub const fn link(self) -> &'static str {
                match self { $(Self::$variant => concat!("/problems/", $name)),+ }
            }

            #[cfg(test)]
            const fn variant(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
    };
}

codes! {
    // The request as such.
    RequestMalformed "request_malformed" BAD_REQUEST "Malformed request"
        "The request is not what HTTP or this API allows." "Look at the detail.";
    PathInvalid "path_invalid" BAD_REQUEST "Unreadable path"
        "The path has a NUL byte or is not UTF-8." "Percent-encode names as UTF-8.";
    QueryInvalid "query_invalid" BAD_REQUEST "Unreadable query"
        "A parameter of the query is unknown to its type, has a NUL byte or is not UTF-8." "Correct the parameter that the detail names.";
    HeaderInvalid "header_invalid" BAD_REQUEST "Unreadable header"
        "A header has a value that it cannot have." "Correct the header that the detail names.";
    HeaderRepeated "header_repeated" BAD_REQUEST "Repeated header"
        "A header that has one value came several times, and which one counts is anybody's guess." "Send it once.";
    UriTooLong "uri_too_long" URI_TOO_LONG "Address too long"
        "Path and query together are longer than 8 KiB." "Send long values in the body.";
    HeadersTooLarge "headers_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "Headers too large"
        "The headers together are larger than 32 KiB, or more than 100." "Send fewer cookies and shorter values.";
    NoSuchRoute "no_such_route" NOT_FOUND "Nothing there"
        "There is nothing at this address." "`GET /` lists what there is.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "Wrong method"
        "The address knows other methods." "The header `Allow` lists them.";
    MediaTypeUnsupported "media_type_unsupported" UNSUPPORTED_MEDIA_TYPE "Wrong media type"
        "The body is of a type that is not taken here." "Send JSON with `Content-Type: application/json`, or a form.";
    // Who asks.
    KeyMissing "key_missing" UNAUTHORIZED "No key"
        "The call shows no key." "Send `Authorization: Bearer KEY`; the command line takes `FLOTILLA_KEY`.";
    KeyInvalid "key_invalid" UNAUTHORIZED "Unknown key"
        "The key is unknown, has ended or was revoked." "Ask an administrator for another.";
    ScopeMissing "scope_missing" FORBIDDEN "Not allowed"
        "The key is not good for this; the detail names the scope that is." "Use a key with that scope.";
    TenantDisabled "tenant_disabled" FORBIDDEN "Tenant switched off"
        "An administrator switched the tenant off." "Ask an administrator.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS "Too many"
        "The tenant called, or started runs, more often than its limits allow." "Try again after the time in `Retry-After`.";
    BudgetExhausted "budget_exhausted" TOO_MANY_REQUESTS "Budget used up"
        "The tenant has used up what it may consume on this day, in UTC. Runs under way go on." "Try again after the time in `Retry-After`, or ask an administrator for more.";
    TenantInvalid "tenant_invalid" UNPROCESSABLE_ENTITY "Invalid tenant"
        "The name or the settings of the tenant cannot be used; `errors` says why." "Correct them.";
    NoSuchTenant "no_such_tenant" NOT_FOUND "No such tenant"
        "There is no such tenant." "`GET /api/v1/tenants` lists them.";
    KeyRequestInvalid "key_request_invalid" UNPROCESSABLE_ENTITY "Invalid key"
        "The key that is asked for cannot be made; `errors` says why." "Correct the request.";
    NoSuchKey "no_such_key" NOT_FOUND "No such key"
        "The tenant has no such key." "`GET /api/v1/tenants/NAME/keys` lists them.";
    AdapterInvalid "adapter_invalid" UNPROCESSABLE_ENTITY "Invalid adapter"
        "The adapter cannot be used; `errors` says why." "Correct it.";
    NoSuchAdapter "no_such_adapter" NOT_FOUND "No such adapter"
        "There is no such adapter." "`GET /api/v1/adapters` lists them.";
    NotSetUp "not_set_up" NOT_FOUND "Not set up"
        "A worker looked up an endpoint or an adapter that the tenant does not have." "Nothing; the run that needs it says so.";
    ChangedMeanwhile "changed_meanwhile" CONFLICT "Changed meanwhile"
        "Somebody else changed it at the same time." "Read it again and repeat the change.";
    SecretsUnavailable "secrets_unavailable" SERVICE_UNAVAILABLE "No secrets"
        "The server has no key to seal secrets with." "Operators set the master key; see the detail.";
    // The body.
    RequestNotJson "request_not_json" BAD_REQUEST "Not JSON"
        "The body, or the field `request` of a form, is not JSON in UTF-8." "Correct it at the place that the detail names.";
    NestingTooDeep "nesting_too_deep" BAD_REQUEST "Nested too deeply"
        "The JSON has more than 64 levels of lists and objects within each other." "Flatten it.";
    BodyInvalid "body_invalid" UNPROCESSABLE_ENTITY "Wrong fields"
        "The JSON has fields of another kind than expected." "Correct the field that the detail names.";
    TooLarge "too_large" PAYLOAD_TOO_LARGE "Too large"
        "The body is larger than is taken here; the detail names the limit." "Send less, or ask the operator to raise `--max-upload`.";
    BodyBroken "body_broken" BAD_REQUEST "Broken off"
        "The body ended before it was complete, or its framing is wrong." "Send it again.";
    UploadStalled "upload_stalled" REQUEST_TIMEOUT "Too slow"
        "The body stood still for 30 seconds, or came at less than 1 KiB a second." "Send it again over a better connection.";
    MultipartInvalid "multipart_invalid" BAD_REQUEST "Unreadable form"
        "The multipart form cannot be read." "Let a library make it, or `curl -F`.";
    UnknownField "unknown_field" UNPROCESSABLE_ENTITY "Unknown field"
        "The form has a field that is not known here." "Send the fields that the detail names.";
    FileMissing "file_missing" UNPROCESSABLE_ENTITY "No document"
        "The form has no field `file`, or there is nothing at all." "Add it: `curl -F file=@invoice.pdf`.";
    OneFileOnly "one_file_only" UNPROCESSABLE_ENTITY "Several documents"
        "The form has several fields `file`." "Send one document a call.";
    OneRequestOnly "one_request_only" UNPROCESSABLE_ENTITY "Several requests"
        "The form has several fields `request`." "Send one.";
    // What it asks for.
    RequestInvalid "request_invalid" UNPROCESSABLE_ENTITY "Invalid request"
        "Fields of the request are wrong; `errors` names each of them." "Correct them.";
    DocumentMismatch "document_mismatch" UNPROCESSABLE_ENTITY "Another document"
        "The document is not the one whose SHA-256 stands in `file_hash`." "Send the right one, or leave `file_hash` out.";
    IdempotencyKeyInvalid "idempotency_key_invalid" BAD_REQUEST "Unusable key"
        "The header `Idempotency-Key` cannot be used as it is." "Send 1 to 255 printable ASCII characters, for a single run.";
    IdempotencyConflict "idempotency_conflict" CONFLICT "Key used before"
        "The idempotency key was used for something else." "Use a new key for a new run.";
    NoSuchRun "no_such_run" NOT_FOUND "No such run"
        "There is no such run." "`GET /api/v1/runs` lists them.";
    RunExpired "run_expired" GONE "Run expired"
        "The run is older than runs are kept." "Keep results that are needed longer; operators set `--retention-days`.";
    RunEnded "run_ended" CONFLICT "Run has ended"
        "It is too late: the run has ended." "Read its result.";
    RunNotEnded "run_not_ended" CONFLICT "Run has not ended"
        "The run is still under way and cannot be done again." "Wait for its end, or cancel it first.";
    NothingToRetry "nothing_to_retry" CONFLICT "Nothing to do again"
        "Everything in the run succeeded." "Name the task to begin with as `from`.";
    RunUnreadable "run_unreadable" CONFLICT "Unreadable run"
        "The record of the run makes no sense, so it cannot be done again." "Submit it anew; the server's log says what is wrong.";
    NoSuchTask "no_such_task" UNPROCESSABLE_ENTITY "No such task"
        "The run has no task of the name in `from`." "Name one of the stages of the run.";
    WorkflowInvalid "workflow_invalid" UNPROCESSABLE_ENTITY "Invalid workflow"
        "The workflow cannot be used; `errors` names every reason." "Correct them.";
    WorkflowReserved "workflow_reserved" CONFLICT "Reserved name"
        "The name belongs to a workflow of the fleet itself." "Use another name.";
    WorkflowChanged "workflow_changed" CONFLICT "Other tasks"
        "That name and version is known with other tasks." "Raise the version.";
    NoSuchWorkflow "no_such_workflow" NOT_FOUND "No such workflow"
        "There is no such workflow." "`GET /api/v1/workflows` lists them.";
    ScheduleInvalid "schedule_invalid" UNPROCESSABLE_ENTITY "Invalid schedule"
        "The schedule cannot be used; `errors` names every reason." "Correct them.";
    NoSuchSchedule "no_such_schedule" NOT_FOUND "No such schedule"
        "There is no such schedule." "`GET /api/v1/schedules` lists them.";
    EventInvalid "event_invalid" UNPROCESSABLE_ENTITY "Invalid event"
        "An event, or the notification of a bucket, cannot be used; `errors` names every reason, and nothing was started." "Correct them.";
    TooManyRuns "too_many_runs" UNPROCESSABLE_ENTITY "Too many runs"
        "The events of the call would start more than 1,000 runs." "Send fewer events at a time.";
    EventsIncomplete "events_incomplete" SERVICE_UNAVAILABLE "Not everything started"
        "Something was away, and not everything that the events start could be started." "Send the same again after the time in `Retry-After`: that starts what is missing, and nothing twice.";
    SubscriptionInvalid "subscription_invalid" UNPROCESSABLE_ENTITY "Invalid subscription"
        "The subscription cannot be used; `errors` names every reason." "Correct them.";
    TooManySubscriptions "too_many_subscriptions" CONFLICT "Too many subscriptions"
        "The tenant has as many subscriptions as there can be." "Remove one.";
    NoSuchSubscription "no_such_subscription" NOT_FOUND "No such subscription"
        "There is no such subscription." "`GET /api/v1/subscriptions` lists them.";
    WebhookInvalid "webhook_invalid" UNPROCESSABLE_ENTITY "Invalid webhook"
        "The webhook cannot be used; `errors` names every reason." "Correct them.";
    TooManyWebhooks "too_many_webhooks" CONFLICT "Too many webhooks"
        "The tenant has as many webhooks as there can be." "Remove one.";
    NoSuchWebhook "no_such_webhook" NOT_FOUND "No such webhook"
        "There is no such webhook." "`GET /api/v1/webhooks` lists them.";
    WebhookDisabled "webhook_disabled" CONFLICT "Webhook switched off"
        "Nothing is sent to the webhook: its owner switched it off, or it answered 410." "`PUT` it with `enabled`.";
    NoSuchDelivery "no_such_delivery" NOT_FOUND "No such delivery"
        "The webhook has no such delivery, or not any more." "`GET /api/v1/webhooks/ID/deliveries` lists them.";
    SelectionInvalid "selection_invalid" UNPROCESSABLE_ENTITY "Unclear selection"
        "It is not clear which dead letters or runs are meant, or a field beside it is wrong." "Send exactly one of `ids`, `queue`, `all`, or for runs of `filter` and `all`.";
    NoSuchDocument "no_such_document" NOT_FOUND "No such document"
        "There is no such document." "`GET /api/v1/documents` lists them.";
    DocumentEmpty "document_empty" UNPROCESSABLE_ENTITY "Empty document"
        "The document has no bytes." "Send it again; the first time it was probably cut off.";
    DocumentUnsupported "document_unsupported" UNSUPPORTED_MEDIA_TYPE "No document"
        "The bytes are an archive, a program or something else that is never a document; the detail says what." "Unpack it and send the documents in it.";
    DocumentUrlRefused "document_url_refused" UNPROCESSABLE_ENTITY "Address refused"
        "The address of the document leads where nothing is fetched from; the detail says why." "Another address, or have the operator allow it with `--outbound-allow`.";
    DocumentUrlMissing "document_url_missing" UNPROCESSABLE_ENTITY "Nothing at the address"
        "The server at the address does not give the document: it is not there, or wants a permission." "Correct the address, or sign it.";
    DocumentUrlUnavailable "document_url_unavailable" FAILED_DEPENDENCY "Address does not answer"
        "The server at the address did not give the document in 60 seconds, or cannot be reached." "Try again later.";
    // At the addresses of the replaced system.
    PathNotAllowed "path_not_allowed" FORBIDDEN "Not yours to read"
        "`file_path` names nothing that this tenant may read, whether it exists or not." "Name a document of your own, or one below an import prefix; or send it as `file` of a form.";
    SummaryNeedsModel "summary_needs_model" UNPROCESSABLE_ENTITY "No language model"
        "Only a language model writes summaries, and there is the built-in reader alone." "Operators start the workers with `--model-url` and `--model`.";
    WaitOver "wait_over" GATEWAY_TIMEOUT "Wait is over"
        "The run takes longer than callers wait here. It goes on." "Read its result later, at `status_url` or `result_url`; operators set `--compat-wait`.";
    Stopping "stopping" SERVICE_UNAVAILABLE "Server stops"
        "The server is about to stop. The run goes on." "Read its result later, at `status_url` or `result_url`.";
    // The server.
    TooManyUploads "too_many_uploads" SERVICE_UNAVAILABLE "Too many uploads"
        "As many uploads as are allowed come in already." "Try again after the time in `Retry-After`.";
    StorageFull "storage_full" INSUFFICIENT_STORAGE "No room"
        "The server has no room for another document." "Try again later; operators make room or name another `--incoming-dir`.";
    TookTooLong "took_too_long" SERVICE_UNAVAILABLE "Took too long"
        "The server could not answer in 90 seconds." "Try again after the time in `Retry-After`.";
    BackendUnfit "backend_unfit" UNPROCESSABLE_ENTITY "Backend unfit"
        "A backend is not connected, or cannot do what a workflow or call asks for; the detail names it." "Connect it, change the workflow, or choose another backend: docs/backends.md.";
    BackendUnavailable "backend_unavailable" SERVICE_UNAVAILABLE "Backend away"
        "The engine that runs go to does not answer. Runs under way elsewhere are not affected." "Try again after the time in `Retry-After`.";
    BrokerUnavailable "broker_unavailable" SERVICE_UNAVAILABLE "Broker away"
        "The broker does not answer." "Try again after the time in `Retry-After`.";
    CoordinationUnavailable "coordination_unavailable" SERVICE_UNAVAILABLE "Coordination away"
        "The coordination store does not answer." "Try again after the time in `Retry-After`.";
    NotReady "not_ready" SERVICE_UNAVAILABLE "Not ready"
        "The process cannot do its work; the detail says why." "Wait, or look at the server that the detail names.";
    Internal "internal" INTERNAL_SERVER_ERROR "Internal error"
        "The server could not do this." "Report it with `request_id`; the server's log has the reason under that id.";
}

impl Code {
    /// The code of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn codes_are_unique_and_look_like_codes() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(Code::named(name).map(Code::as_str), Some(name));
        }
        assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    }

    #[test]
    fn every_code_is_used_somewhere() {
        // That every used code is in the table is the compiler's business.
        let mut sources = String::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
        for code in Code::ALL {
            let used = format!("Code::{}", code.variant());
            let is_used = sources.match_indices(&used).any(|(at, _)| {
                sources[at + used.len()..].chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_')
            });
            assert!(is_used, "nothing answers {}; take it out of the table", code.as_str());
        }
    }

    #[test]
    fn every_code_stands_in_the_documentation_as_it_is_here() {
        let docs = include_str!("../../../docs/errors.md");
        let (_, section) = docs.split_once("## Calls over HTTP").expect("docs/errors.md lists the codes of calls");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let wanted: Vec<String> = Code::ALL
            .iter()
            .map(|code| {
                let status = code.status().as_u16();
                format!("| `{}` | {status} | {} | {} |", code.as_str(), code.meaning(), code.fix())
            })
            .collect();
        assert_eq!(rows, wanted, "docs/errors.md should have:\n{}", wanted.join("\n"));
    }

    /// Every source of a folder but this one.
    fn collect(folder: &Path, sources: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                collect(&entry, sources);
            } else if entry.extension().is_some_and(|kind| kind == "rs") && !entry.ends_with("codes.rs") {
                sources.push_str(&std::fs::read_to_string(entry).unwrap());
            }
        }
    }
}
