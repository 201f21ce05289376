"""Texts as they come, and answers that are given again: kept for a while, on record in the attempt's end."""

from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from domain import ai_provider
from domain.ai_task import AiTaskAttemptSucceeded
from store import ai_answers, ai_streams
from store.ai_streams import Chunk, follow
from store.codec import JSON, Codec
from store.command import Command
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.ai.doubles import openai
from tests.worker.ai.wire import serve
from tests.worker.house import WHO, at_work, house, worker_of
from tests.worker.outbound.servers import LOOPBACK
from worker.ai.streaming import Streaming
from worker.outbound.client import Outbound

PIECES = ["It ", "is ", "travel", ", surely."]


def asking(**config: Any) -> Any:
    agent = ("ai_agent", {"model": "own:gpt-4o-mini", "prompt": "Which kind?", **config})
    return drawing({"s": "start", "ask": agent, "e": "end"}, "s > ask", "ask > e")


async def test_a_text_is_kept_as_it_comes_and_an_answer_is_given_again(database: Database) -> None:
    async with house(database) as home, serve(openai.stream(PIECES)) as wire:

        def set_up(view: Any) -> Any:
            return ai_provider.set_up(view, "own", "openai_compatible", base_url=wire.url)

        await home.handler.handle(Command(home.tenant_id, "set_up", WHO), set_up)
        async with worker_of(database, outbound=Outbound(permitted=LOOPBACK)) as worker:
            async with at_work(worker):
                ended = [await home.ended(await home.start(asking(stream=True, cache=True))) for _ in range(2)]
            assert [each.status for each in ended] == ["completed", "completed"]
            first, again = [event.event for event in await home.events() if isinstance(event.event, AiTaskAttemptSucceeded)]
            text = "".join(PIECES)
            assert first.output == again.output == text
            assert first.stream_digest == sha256(text.encode()).hexdigest()
            assert (again.cached_from, again.cost, again.latency_ms) == (first.attempt_id, Decimal(0), first.latency_ms)
            assert first.cached_from is None
            assert len(wire.asked) == 1
            ((task_id,),) = home.sql("SELECT DISTINCT task_id FROM runtime.ai_stream_chunks")

            async def look(offset: int) -> list[Chunk]:
                async with worker.context.pool.connection() as connection:
                    return await ai_streams.read(connection, JSON, home.tenant_id, task_id, offset)

            async def over() -> bool:
                return True

            for offset in (0, 5):
                found = [chunk async for chunk in follow(look, over, offset)]
                assert "".join(chunk.text for chunk in found) == text[offset:]
                assert {chunk.attempt_id for chunk in found} == {first.attempt_id}
            home.sql("UPDATE runtime.ai_stream_chunks SET written_at = now() - interval '7 hours'")
            home.sql("UPDATE runtime.ai_answers SET written_at = now() - interval '2 days'")
            async with worker.context.pool.connection() as connection:
                assert await ai_streams.sweep(connection) >= 1
                assert await ai_answers.sweep(connection) == 1


class Backwards:
    """A cipher."""

    def encrypt(self, plaintext: bytes) -> bytes:
        return plaintext[::-1]

    def decrypt(self, ciphertext: bytes) -> bytes:
        return ciphertext[::-1]


async def test_a_key_is_in_no_piece_however_it_is_cut_and_pieces_are_sealed_where_events_are(database: Database) -> None:
    secret, ticks = "sk-planted-4711", iter(range(1000))
    async with house(database) as home, worker_of(database) as worker:
        worker.context.handler.codec = Codec(cipher=Backwards())
        task_id = uuid4()
        streaming = Streaming(worker.context, home.tenant_id, task_id, UUID(int=1), secret, lambda: float(next(ticks)))
        said = f"My key is {secret}, says the model. " * 3 + "x" * 200
        for start in range(0, len(said), 4):
            await streaming.told(said[start : start + 4])
        digest = await streaming.finish()
        async with worker.context.pool.connection() as connection:
            found = await ai_streams.read(connection, worker.context.handler.codec, home.tenant_id, task_id)
        text = "".join(chunk.text for chunk in found)
        assert len(found) > 10
        assert text == said.replace(secret, "[redacted]")
        assert digest == sha256(text.encode()).hexdigest()
        ((pieces,),) = home.sql("SELECT string_agg(encode(piece, 'escape'), '') FROM runtime.ai_stream_chunks")
        assert "model" not in pieces
        assert "planted" not in pieces
