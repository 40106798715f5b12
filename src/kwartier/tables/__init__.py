"""The tables of the database: what is remembered, and what must be unique.

Times are UTC seconds, days are local calendar days. Whoever needs a table imports it from here; each file has those that
belong together.
"""

from kwartier.tables.fleet import (
    connections,
    drifts,
    exchanges,
    layout_texts,
    layouts,
    meters,
    modules,
    paces,
    readouts,
    visits,
)
from kwartier.tables.gate import (
    access_connections,
    accesses,
    erasures,
    findings,
    holds,
    mandates,
    persons,
    reading_ids,
    requests,
    statistics_blocks,
    use_cases,
)
from kwartier.tables.keys import (
    counters,
    day_keys,
    key_events,
    meter_keys,
    peer_counters,
    vaults,
)
from kwartier.tables.market import (
    STANDING,
    area_energies,
    fractions,
    market_revisions,
    supplies,
)
from kwartier.tables.naming import (
    FOREVER,
    metadata,
)
from kwartier.tables.nights import (
    alerts,
    claim_events,
    claims,
    dues,
    leases,
    nights,
    restores,
)
from kwartier.tables.settle import (
    messages,
    settlement_areas,
    settlement_checks,
    settlement_sums,
    settlements,
    substitutes,
    validation_checks,
    validation_findings,
    validation_runs,
)
from kwartier.tables.who import (
    accounts,
    approvals,
)

__all__ = [
    "FOREVER",
    "STANDING",
    "access_connections",
    "accesses",
    "accounts",
    "alerts",
    "approvals",
    "area_energies",
    "claim_events",
    "claims",
    "connections",
    "counters",
    "day_keys",
    "drifts",
    "dues",
    "erasures",
    "exchanges",
    "findings",
    "fractions",
    "holds",
    "key_events",
    "layout_texts",
    "layouts",
    "leases",
    "mandates",
    "market_revisions",
    "messages",
    "metadata",
    "meter_keys",
    "meters",
    "modules",
    "nights",
    "paces",
    "peer_counters",
    "persons",
    "reading_ids",
    "readouts",
    "requests",
    "restores",
    "settlement_areas",
    "settlement_checks",
    "settlement_sums",
    "settlements",
    "statistics_blocks",
    "substitutes",
    "supplies",
    "use_cases",
    "validation_checks",
    "validation_findings",
    "validation_runs",
    "vaults",
    "visits",
]
