"""py-spy's stacks, and the parts of the work that they belong to."""

from benchmarks.sampling import WHISPER, read_samples

SCHEDULER = "_run (speech/whisper/batching/scheduler.py:113);_encode (speech/whisper/batching/decode_loop.py:113)"
STACKS = f"""\
{SCHEDULER};CpuEngine.encode (speech/whisper/cpu/engine.py:69);ThreadTeam.run (speech/whisper/cpu/threads.py:17) 60
{SCHEDULER};CpuEngine.encode (speech/whisper/cpu/engine.py:69);CpuEngine._log_mel (speech/whisper/cpu/engine.py:76) 10
_run (speech/whisper/batching/scheduler.py:113);CpuEngine.step (speech/whisper/cpu/engine.py:130) 20
_worker (concurrent/futures/thread.py:69);_WorkItem.run (concurrent/futures/thread.py:53) 500
Thread.run (threading.py:971);_worker (concurrent/futures/thread.py:69) 900
_publish (speech/whisper/serving.py:270);Event.wait (threading.py:611);Condition.wait (threading.py:295) 900
initialize (model.py:16) 10
 900
"""


def test_samples_are_counted_where_the_innermost_known_function_belongs() -> None:
    shares = read_samples(STACKS, WHISPER).shares()

    assert shares == {"encoder": 0.6, "log-mel": 0.1, "decoder": 0.2, "rest": 0.1}


def test_a_process_that_did_nothing_has_no_shares() -> None:
    assert read_samples(" 12\n", WHISPER).shares() == {}
