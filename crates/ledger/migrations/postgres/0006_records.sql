-- What operators and tenants set up. Ids sort as bytes, as they do in every other store.
CREATE TABLE records (
    kind       text        NOT NULL COLLATE "C",
    tenant     text        NOT NULL COLLATE "C",
    id         text        NOT NULL COLLATE "C",
    lookup     text        COLLATE "C",
    body       text        NOT NULL,
    revision   bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (kind, tenant, id)
);

CREATE UNIQUE INDEX records_by_lookup ON records (kind, lookup) WHERE lookup IS NOT NULL;
CREATE INDEX records_of_kind ON records (kind, id, tenant);
