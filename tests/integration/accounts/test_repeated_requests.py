import pytest

from gateway.accounts import Accounts, IdempotentResult, StoredResponse
from gateway.errors import BadParameter, Conflict, PaymentRequired
from tests.integration.accounts.account_stores import AccountStore, identify

HELLO = StoredResponse(200, b'{"text": "hello"}', {"content-type": "application/json", "x-model": "base"})
FILE, OTHER_FILE = "1" * 64, "2" * 64


async def post(accounts: Accounts, key: str | None, file: str = FILE, idempotency_key: str = "once") -> StoredResponse:
    """A request as the route handles it; says `computed` where it had to work."""
    async with accounts.admit(await identify(accounts, key), idempotency_key) as admission:
        if (kept := admission.recall(file)) is not None:
            return kept
        await admission.hold(60.0)
        await admission.settle(60.0, IdempotentResult(file, HELLO))
        return StoredResponse(200, b"computed", {})


async def test_the_same_request_is_answered_again_and_charged_once(store: AccountStore) -> None:
    key = await store.key(credits=1)
    async with store.gateway() as one, store.gateway() as other:
        first = await post(one, key)
        again = await post(other, key)

    assert (first.body, again) == (b"computed", HELLO)
    assert await store.balance() == 0
    assert await store.leases() == []


async def test_the_key_of_another_file_is_refused(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with store.gateway() as accounts:
        await post(accounts, key)
        with pytest.raises(BadParameter, match="another file"):
            await post(accounts, key, OTHER_FILE)

    assert await store.balance() == 4


async def test_the_same_key_of_another_caller_is_another_request(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        first = await post(accounts, await store.key(credits=5))
        second = await post(accounts, await store.key(credits=5))

    assert first.body == second.body == b"computed"


async def test_after_a_day_it_is_a_new_request(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with store.gateway() as accounts:
        await post(accounts, key)
        store.clock.now += 86_399
        assert await post(accounts, key) == HELLO
        store.clock.now += 2
        assert (await post(accounts, key)).body == b"computed"


async def test_while_it_is_in_work_the_same_request_is_told_to_wait(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with store.gateway() as one, store.gateway() as other, one.admit(await identify(one, key), "once"):
        with pytest.raises(Conflict) as refused:
            await post(other, key)

    assert int(refused.value.headers["Retry-After"]) > 0


async def test_the_same_request_that_ran_twice_after_a_lapse_is_charged_once(store: AccountStore) -> None:
    """Whoever settles second charges nothing, and gives the response that was paid for."""
    key = await store.key(credits=5)
    own = StoredResponse(200, b"worked in vain", {})
    async with store.gateway() as one, store.gateway() as other:
        async with one.admit(await identify(one, key), "once") as first:
            await first.hold(60.0)
            store.clock.now += 61  # its gateway could not renew the lease
            assert (await post(other, key)).body == b"computed"
            settled = await first.settle(60.0, IdempotentResult(FILE, own))
        again = await post(one, key)

    assert settled == again == HELLO
    assert await store.balance() == 4


async def test_a_repetition_that_still_runs_when_the_first_one_settles_is_free(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with (
        store.gateway() as one,
        store.gateway() as other,
        one.admit(await identify(one, key), "once") as first,
    ):
        store.clock.now += 61
        async with other.admit(await identify(other, key), "once") as second:
            assert await first.settle(60.0, IdempotentResult(FILE, HELLO)) is None
            late = StoredResponse(200, b"worked in vain", {})
            assert await second.settle(60.0, IdempotentResult(FILE, late)) == HELLO

    assert await store.balance() == 4


async def test_a_request_whose_gateway_died_may_be_made_again_when_its_lease_ends(store: AccountStore) -> None:
    """On another gateway, which cannot know more than that nobody renews the lease."""
    key = await store.key(credits=5)
    async with store.gateway() as other:
        async with store.gateway() as one, one.admit(await identify(one, key), "once"):
            store.clock.now += 59
            with pytest.raises(Conflict):
                await post(other, key)
            store.clock.now += 2
            assert (await post(other, key)).body == b"computed"
        assert (await post(other, key)) == HELLO

    assert await store.balance() == 4


async def test_a_failed_request_may_be_made_again(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with store.gateway() as accounts:
        with pytest.raises(RuntimeError):
            async with accounts.admit(await identify(accounts, key), "once"):
                raise RuntimeError("the engine failed")
        assert await store.answers() == []
        assert (await post(accounts, key)).body == b"computed"


async def test_a_new_request_with_nothing_left_is_still_refused(store: AccountStore) -> None:
    key = await store.key(credits=1)
    async with store.gateway() as accounts:
        await post(accounts, key)
        with pytest.raises(PaymentRequired):
            await post(accounts, key, idempotency_key="another")


@pytest.mark.parametrize("idempotency_key", ["", "x" * 256, "line\nbreak", "schlüssel"])
async def test_a_key_of_the_wrong_kind_is_refused(store: AccountStore, idempotency_key: str) -> None:
    async with store.gateway() as accounts:
        with pytest.raises(BadParameter, match="1 to 255 printable ASCII"):
            await post(accounts, None, idempotency_key=idempotency_key)


async def test_old_answers_are_forgotten(store: AccountStore) -> None:
    key = await store.key(credits=5)
    async with store.gateway() as accounts:
        await post(accounts, key)
    store.clock.now += 86_401
    async with store.gateway():
        pass

    assert await store.answers() == []
