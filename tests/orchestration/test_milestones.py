"""How people reach an execution, as its messages say: the address, and what the API asks for, never the secret."""

from __future__ import annotations

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_UI_URL,
    temporary_settings,
)

from prefect_drs.orchestration.flow.event_emitter import reach_of

ID = "7c1f6a2e-9b1d-4d6c-8a55-2f0f3b9f1e10"


def test_the_address_is_that_of_the_api_without_what_stands_before_the_host() -> None:
    settings = {
        PREFECT_API_URL: "https://ada:a-secret@prefect.example.com/api/",
        PREFECT_UI_URL: "https://ui.example.com",
    }
    with temporary_settings(settings):
        reach = reach_of(ID, ID)
    assert reach.api_url == "https://prefect.example.com/api"
    assert reach.link == f"https://ui.example.com/runs/flow-run/{ID}"
    assert reach.secret == ""
    assert "a-secret" not in repr(reach)


def test_the_address_that_people_use_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_DRS_API_URL", "https://prefect.example.com/api")
    with temporary_settings({PREFECT_API_URL: "http://prefect-server:4200/api"}):
        assert reach_of(ID, ID).api_url == "https://prefect.example.com/api"


def test_what_the_api_asks_for_is_told_by_kind_only() -> None:
    with temporary_settings({PREFECT_API_URL: "https://prefect.example.com/api", PREFECT_API_KEY: "pnu_secret"}):
        key = reach_of(ID, ID)
    with temporary_settings(
        {PREFECT_API_URL: "https://prefect.example.com/api", PREFECT_API_AUTH_STRING: "admin:secret"}
    ):
        password = reach_of(ID, ID)
    assert (key.secret, password.secret) == ("key", "password")
    assert "secret" not in repr(key).replace("secret=", "")
    assert "admin" not in repr(password)


def test_without_an_api_there_is_no_address() -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert reach_of(ID, None).api_url is None
