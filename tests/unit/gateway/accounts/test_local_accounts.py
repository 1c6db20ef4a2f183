"""Who a request without a key is, by the settings of the service."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from gateway.accounts.callers import Caller, Credentials
from gateway.accounts.from_settings import open_accounts
from gateway.errors import Forbidden, Unauthorized
from gateway.settings import AccountSettings, ServerSettings, Settings


async def identify(
    folder: Path, host: str = "127.0.0.1", headers: dict[str, str] | None = None, **accounts: object
) -> Caller:
    settings = Settings(
        server=ServerSettings(data=folder, host=host),
        accounts=AccountSettings(**accounts),  # type: ignore[arg-type]
    )
    async with open_accounts(settings) as opened:
        return await opened.identify(
            Credentials("127.0.0.1", headers=Headers({"host": "localhost", **(headers or {})}))
        )


async def test_on_loopback_a_request_without_a_key_is_the_users_own(tmp_path: Path) -> None:
    caller = await identify(tmp_path)

    assert (caller.subject, caller.tier.name, caller.anonymous) == ("local", "unlimited", False)


@pytest.mark.parametrize(
    ("host", "accounts"),
    [
        ("0.0.0.0", {}),
        ("192.0.2.1", {}),
        ("::", {}),
        ("127.0.0.1", {"trusted_proxies": ("127.0.0.1",)}),
        ("127.0.0.1", {"anonymous": "anonymous"}),
    ],
)
async def test_elsewhere_and_behind_a_proxy_the_tiers_hold(
    tmp_path: Path, host: str, accounts: dict[str, object]
) -> None:
    caller = await identify(tmp_path, host, {"host": "stt.example"}, **accounts)

    assert (caller.tier.name, caller.anonymous) == ("anonymous", True)


async def test_a_strangers_page_is_anonymous_and_another_name_is_refused(tmp_path: Path) -> None:
    caller = await identify(tmp_path, headers={"origin": "https://evil.example"})

    assert caller.tier.name == "anonymous"
    with pytest.raises(Forbidden):
        await identify(tmp_path, headers={"host": "evil.example"})


async def test_the_local_key_is_the_users_wherever_the_service_listens(tmp_path: Path) -> None:
    settings = Settings(server=ServerSettings(data=tmp_path, host="0.0.0.0"))
    async with open_accounts(settings) as accounts:
        own = await accounts.identify(Credentials("192.0.2.1", [f"Bearer {accounts.local_key}"]))
        with pytest.raises(Unauthorized):
            await accounts.identify(Credentials("192.0.2.1", [f"Bearer {accounts.local_key}x"]))

    assert own.tier.name == "unlimited"
