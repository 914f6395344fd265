//! What every object store must do, as named cases.
//!
//! An implementation's test file names itself and nothing else:
//!
//! ```text
//! async fn open() -> Opened { … }
//! objects::conformance_suite!(#[tokio::test] open);
//! ```
//!
//! `open` is called once for each case and returns a store that is empty. A case panics when a promise is broken.

use std::any::Any;
use std::sync::Arc;

use crate::Objects;

pub mod hostile;
pub mod storing;

/// A store for one case.
pub struct Opened {
    /// The store.
    pub objects: Arc<dyn Objects>,
    /// What has to live as long as the store, a temporary folder for example.
    pub keep: Box<dyn Any + Send>,
}

/// Stamps one test for each case: `conformance_suite!(#[tokio::test] open)`.
#[macro_export]
macro_rules! conformance_suite {
    (#[$test:meta] $open:ident) => {
        $crate::conformance_suite!(@module #[$test] $open, storing:
            what_was_stored_is_returned_and_described,
            an_empty_object_is_an_object,
            a_stored_file_equals_stored_bytes,
            a_large_file_is_stored_whole,
            a_local_file_has_the_bytes,
            storing_again_replaces_the_object,
            readers_never_see_a_mixture,
            writers_of_one_key_leave_one_whole_object,
            deleting_is_repeatable_and_final,
            deleting_below_a_folder_leaves_what_lies_elsewhere,
        );
        $crate::conformance_suite!(@module #[$test] $open, hostile:
            a_missing_object_is_named,
            a_key_that_could_leave_the_store_is_refused,
            every_plain_key_works,
            changed_bytes_are_noticed,
            a_missing_source_file_stores_nothing,
            what_others_put_there_is_fetched_up_to_a_size,
        );
    };
    (@module #[$test:meta] $open:ident, $module:ident: $($case:ident),+ $(,)?) => {
        mod $module {
            $(
                #[$test]
                async fn $case() {
                    let opened = super::$open().await;
                    $crate::conformance::$module::$case(opened.objects.clone()).await;
                }
            )+
        }
    };
}

/// The media type of test objects.
const BINARY: &str = "application/octet-stream";

type Store = Arc<dyn Objects>;

async fn put(store: &Store, key: &str, bytes: &[u8]) -> protocol::ArtifactRef {
    store.put(key, bytes, BINARY).await.expect("storing works")
}

async fn get(store: &Store, key: &str) -> Vec<u8> {
    store.get(key).await.expect("the object is there")
}
