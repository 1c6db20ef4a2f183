import pytest

from gateway.accounts.registry import RegistryError
from gateway.errors import Unauthorized
from tests.integration.accounts.account_stores import AccountStore, identify


async def test_a_key_identifies_its_account(store: AccountStore) -> None:
    key = await store.key("paid", credits=5)
    async with store.gateway() as accounts:
        caller = await identify(accounts, key)

    assert (caller.tier.name, caller.name, caller.anonymous) == ("paid", "somebody", False)


@pytest.mark.parametrize(
    "change", [lambda key: key[:-2] + "zz", lambda key: key + "x", lambda _: "stt_nothing", str.upper]
)
async def test_a_wrong_key_is_401_and_never_anonymous(store: AccountStore, change: object) -> None:
    key = await store.key()
    async with store.gateway() as accounts:
        with pytest.raises(Unauthorized):
            await identify(accounts, change(key))  # type: ignore[operator]


async def test_a_revoked_key_is_401_at_once_on_every_gateway(store: AccountStore) -> None:
    key = await store.key()
    async with store.gateway() as one, store.gateway() as other:
        await identify(one, key)
        async with store.registry() as registry:
            await registry.revoke(key)
        for accounts in (one, other):
            with pytest.raises(Unauthorized):
                await identify(accounts, key)


async def test_a_key_ends_when_it_expires(store: AccountStore) -> None:
    async with store.registry() as registry:
        key = (await registry.create("free", "guest", expires_at=store.clock.now + 3600)).text
    async with store.gateway() as accounts:
        store.clock.now += 3599
        await identify(accounts, key)
        store.clock.now += 1
        with pytest.raises(Unauthorized):
            await identify(accounts, key)


async def test_a_rotated_key_has_the_same_account_and_the_old_one_a_time_of_grace(store: AccountStore) -> None:
    old = await store.key(credits=5)
    async with store.registry() as registry:
        new = (await registry.rotate(old, after=60)).text
    async with store.gateway() as accounts:
        assert (await identify(accounts, old)).subject == (await identify(accounts, new)).subject
        store.clock.now += 60
        with pytest.raises(Unauthorized):
            await identify(accounts, old)
        usage = await accounts.usage(await identify(accounts, new))

    assert usage.as_json()["transcription"]["remaining"] == 5


async def test_a_revoked_key_cannot_be_rotated_back_to_life(store: AccountStore) -> None:
    key = await store.key()
    async with store.registry() as registry:
        await registry.revoke(key)
        with pytest.raises(RegistryError, match="revoked"):
            await registry.rotate(key)


async def test_credits_are_added_by_key_or_prefix(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with store.registry() as registry:
        await registry.grant(key, 10, "invoice 7")
        prefix = (await registry.listed())[0].prefix
        assert await registry.grant(prefix, 1) == 16
        assert (await registry.listed())[0].credits == 16

    assert [entry.note for entry in await store.entries()] == ["with the key", "invoice 7", None]


async def test_neither_key_nor_hash_of_it_can_be_read_from_the_list(store: AccountStore) -> None:
    key = await store.key()
    async with store.registry() as registry:
        listed = repr(await registry.listed())

    assert key.split("_")[1] in listed
    assert key.split("_", 2)[2] not in listed


@pytest.mark.parametrize(
    ("tier", "credits", "said"),
    [
        ("gold", 0, "accepted: free, paid, unlimited"),
        ("anonymous", 0, "accepted: free, paid, unlimited"),
        ("free", 5, "no credits"),
    ],
)
async def test_what_no_key_can_have_is_refused(store: AccountStore, tier: str, credits: int, said: str) -> None:
    async with store.registry() as registry:
        with pytest.raises(RegistryError, match=said):
            await registry.create(tier, "somebody", credits)


@pytest.mark.parametrize("credits", [0, -5, 10**10])
async def test_a_grant_is_a_positive_number(store: AccountStore, credits: int) -> None:
    key = await store.key(credits=5)
    async with store.registry() as registry:
        with pytest.raises(RegistryError, match="from 1 to"):
            await registry.grant(key, credits)


async def test_a_key_that_is_not_there_is_named(store: AccountStore) -> None:
    async with store.registry() as registry:
        with pytest.raises(RegistryError, match="no such key"):
            await registry.revoke("stt_nothing")


async def test_usage_shows_the_callers_own_figures(store: AccountStore) -> None:
    key, _ = await store.key(credits=10), await store.key(credits=99)
    async with store.gateway() as accounts:
        caller = await identify(accounts, key)
        async with accounts.admit(caller) as admission:
            await admission.settle(61.5)
        usage = (await accounts.usage(caller)).as_json()

    assert usage["transcription"] == {
        "unit": "credits",
        "remaining": 8,
        "held": 0,
        "requests": 1,
        "audio_seconds": 61.5,
        "running": 0,
        "at_once": 5,
    }
    assert usage["summaries"]["limit"] == 2000
    assert usage["summaries"]["resets_at"] == "2026-11-23T00:00:00+00:00"
