"""The state tables: closed, reachable, and only what is in them is legal."""

import pytest

from kwartier.dlms.states import CLIENT, SERVER, ClientState, ServerState, Trigger, client_step, server_step
from kwartier.errors import StateError, WireError


def test_every_state_has_a_row_and_is_reached() -> None:
    assert set(CLIENT) == set(ClientState)
    assert set(SERVER) == set(ServerState)
    reached = {state for row in CLIENT.values() for state in row.values()} | {ClientState.IDLE, ClientState.FAILED}
    assert reached == set(ClientState)
    reached_server = {state for row in SERVER.values() for state in row.values()}
    assert reached_server | {ServerState.FAILED} == set(ServerState)


@pytest.mark.parametrize("state", ClientState)
@pytest.mark.parametrize("trigger", Trigger)
def test_client_takes_exactly_the_rows_of_its_table(state: ClientState, trigger: Trigger) -> None:
    if trigger is Trigger.FAIL:
        assert client_step(state, trigger) is ClientState.FAILED
    elif trigger in CLIENT[state]:
        assert client_step(state, trigger) is CLIENT[state][trigger]
    else:
        ours = trigger in (Trigger.OPEN, Trigger.ASK, Trigger.RELEASE)
        with pytest.raises(StateError if ours else WireError):
            client_step(state, trigger)


@pytest.mark.parametrize("state", ServerState)
@pytest.mark.parametrize("trigger", Trigger)
def test_server_takes_exactly_the_rows_of_its_table(state: ServerState, trigger: Trigger) -> None:
    if trigger is Trigger.FAIL:
        assert server_step(state, trigger) is ServerState.FAILED
    elif trigger in SERVER[state]:
        assert server_step(state, trigger) is SERVER[state][trigger]
    else:
        with pytest.raises(WireError):
            server_step(state, trigger)


def test_there_is_no_way_out_of_failure_or_the_end() -> None:
    assert CLIENT[ClientState.FAILED] == CLIENT[ClientState.CLOSED] == {}
    assert SERVER[ServerState.FAILED] == {}
