"""How people reach an execution: the address and the kind of authentication, never the secret."""

from __future__ import annotations

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_UI_URL,
    temporary_settings,
)

from prefect_drs.orchestration.flow.event_emitter import execution_access

ID = "7c1f6a2e-9b1d-4d6c-8a55-2f0f3b9f1e10"


def test_the_address_is_that_of_the_api_without_credentials() -> None:
    settings = {
        PREFECT_API_URL: "https://ada:a-secret@prefect.example.com/api/",
        PREFECT_UI_URL: "https://ui.example.com",
    }
    with temporary_settings(settings):
        access = execution_access(ID, ID)
    assert access.api_url == "https://prefect.example.com/api"
    assert access.link == f"https://ui.example.com/runs/flow-run/{ID}"
    assert access.auth == ""
    assert "a-secret" not in repr(access)


def test_a_setting_gives_the_address_that_people_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_DRS_API_URL", "https://prefect.example.com/api")
    with temporary_settings({PREFECT_API_URL: "http://prefect-server:4200/api"}):
        assert execution_access(ID, ID).api_url == "https://prefect.example.com/api"


def test_the_kind_of_authentication_is_known_and_the_secret_is_not() -> None:
    with temporary_settings({PREFECT_API_URL: "https://prefect.example.com/api", PREFECT_API_KEY: "pnu_secret"}):
        key = execution_access(ID, ID)
    with temporary_settings(
        {PREFECT_API_URL: "https://prefect.example.com/api", PREFECT_API_AUTH_STRING: "admin:secret"}
    ):
        password = execution_access(ID, ID)
    assert (key.auth, password.auth) == ("key", "password")
    assert "secret" not in repr(key)
    assert "admin" not in repr(password)


def test_without_an_api_there_is_no_address() -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert execution_access(ID, None).api_url is None
