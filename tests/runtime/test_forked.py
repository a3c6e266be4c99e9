"""Forked processes speak with the process that has made them, and end with it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from abreast.errors import DataError, Interrupted, LostProcessError
from abreast.runtime.fork_channel import Channel, Ended
from abreast.runtime.forked import ForkedProcesses, is_alone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

Work = Callable[[Channel], object]
log = logging.getLogger(__name__)


def told(works: Sequence[Work]) -> list[list[object]]:
    """What each process tells; 7 is the answer to what it asks."""
    messages: list[list[object]] = [[] for _ in works]
    with ForkedProcesses(works) as processes:
        for number, message in processes.messages():
            messages[number].append(message)
            if message == "ask":
                processes.answer(number, 7)
    return messages


def test_they_tell_and_ask() -> None:
    def work(channel: Channel) -> None:
        answer = channel.ask("ask")
        channel.tell((answer, os.getpid()))

    messages = told([work, work])
    assert [[kind for kind in of_one if kind == "ask"] for of_one in messages] == [["ask"], ["ask"]]
    answers = [of_one[1] for of_one in messages]
    assert [answer[0] for answer in answers] == [7, 7]  # type: ignore[index]
    assert len({os.getpid(), *(answer[1] for answer in answers)}) == 3  # type: ignore[index]
    assert [of_one[2:] for of_one in messages] == [[Ended(None)]] * 2


def test_they_print_and_log_here(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def work(channel: Channel) -> None:
        print("a line")
        print("an error", file=sys.stderr)
        try:
            raise ValueError("inside")
        except ValueError:
            log.exception("of %d runs", 3)

    told([work])
    assert capsys.readouterr() == ("a line\n", "an error\n")
    (record,) = caplog.records
    assert (record.name, record.levelno) == (__name__, logging.ERROR)
    assert record.getMessage().startswith("of 3 runs\nTraceback")
    assert record.getMessage().endswith("ValueError: inside")


class UnpicklableError(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} {other}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DataError("no such file"), "DataError: no such file"),
        (UnpicklableError(1, 2), "RunError: UnpicklableError: 1 2"),
    ],
)
def test_an_error_is_told_with_its_trace(error: Exception, expected: str) -> None:
    def work(channel: Channel) -> None:
        raise error

    ((end,),) = told([work])
    assert isinstance(end, Ended)
    raised = end.raised()
    assert raised is not None
    assert f"{type(raised).__name__}: {raised}" == expected
    assert "raise error" in str(raised.__cause__)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was ended by SIGKILL, perhaps for want of memory"),
        (lambda: os.kill(os.getpid(), signal.SIGXCPU), "was ended by SIGXCPU"),
        (lambda: os._exit(3), "ended with exit code 3"),
    ],
    ids=["killed", "crashed", "left"],
)
def test_a_process_that_is_lost_does_not_stop_the_others(end: Callable[[], None], expected: str) -> None:
    def lost(channel: Channel) -> None:
        channel.ask("ask")
        end()

    def other(channel: Channel) -> None:
        time.sleep(0.2)
        channel.tell("done")

    messages = told([lost, other])
    asked, ended = messages[0]
    assert asked == "ask"
    assert isinstance(ended, Ended)
    error = ended.raised()
    assert isinstance(error, LostProcessError)
    assert str(error) == expected
    assert messages[1] == ["done", Ended(None)]


def long() -> None:
    for _ in range(600):
        time.sleep(0.1)  # a signal just before one sleep ends the next


def until_stopped(channel: Channel) -> None:
    """Work that saves what it does when it is told to stop."""
    try:
        channel.tell(os.getpid())
        long()
    except Interrupted as interrupted:
        channel.tell(("saved", interrupted.signum))
        raise


def never_stopped(channel: Channel) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.tell(os.getpid())
    long()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_signal_stops_all(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    messages: list[object] = []

    def serve() -> None:
        with ForkedProcesses([until_stopped] * 2) as processes:
            for _, message in processes.messages():
                messages.append(message)
                if len(messages) == 2:
                    assert not processes.are_stopping
                    os.kill(os.getpid(), number)
                    assert processes.are_stopping

    with pytest.raises(Interrupted) as raised:
        serve()
    assert raised.value.signum == number
    assert messages.count(("saved", signal.SIGTERM)) == 2
    assert signal.getsignal(number) == before


def test_the_second_ctrl_c_ends_all_at_once() -> None:
    pids: list[int] = []

    def serve() -> None:
        with ForkedProcesses([never_stopped] * 2) as processes:
            for _, message in processes.messages():
                assert isinstance(message, int)
                pids.append(message)
                if len(pids) == 2:
                    os.kill(os.getpid(), signal.SIGINT)
                    os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        serve()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def saved_at_an_error_here(wait: Work, count: int) -> tuple[list[object], bytes]:
    """What processes tell that wait while an error ends the one that has made them, and what they save."""

    def work(channel: Channel) -> None:
        try:
            wait(channel)
        finally:
            os.write(writing, b"saved")

    first: list[object] = []

    def serve() -> None:
        with ForkedProcesses([work] * count) as processes:
            messages = processes.messages()
            first.extend(next(messages)[1] for _ in range(count))
            raise OSError("the disk is full")

    reading, writing = os.pipe()
    with pytest.raises(OSError, match="full"):
        serve()
    os.close(writing)
    saved = os.read(reading, 100)
    os.close(reading)
    return first, saved


def test_an_error_here_lets_them_save_what_they_do() -> None:
    _, saved = saved_at_an_error_here(until_stopped, 1)
    assert saved == b"saved"


def test_they_end_with_the_process_that_has_made_them() -> None:
    """However it was killed; a pipe's end tells that all who could write into it are gone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with ForkedProcesses([never_stopped] * 2) as processes:
            for _, message in processes.messages():
                os.write(writing, f"{message} ".encode())
        os._exit(0)
    os.close(writing)
    pids = b""
    while pids.count(b" ") < 2:
        pids += os.read(reading, 100)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b""
    os.close(reading)


def test_a_process_with_threads_is_not_alone() -> None:
    import threading

    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(is_alone()))
    thread.start()
    thread.join()
    assert seen == [False]


def test_lines_of_two_processes_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    def work(channel: Channel) -> None:
        for _ in range(100):
            print("a line", "of words", end="", flush=True)
            print()
        print("the rest", end="")

    told([work, work])
    lines = capsys.readouterr().out.replace("the rest", "").splitlines()
    assert lines == ["a line of words"] * 200


def test_a_process_whose_work_ends_itself_has_told_everything() -> None:
    def work(channel: Channel) -> None:
        channel.tell("done")
        sys.exit("my reason")

    ((done, end),) = told([work])
    assert done == "done"
    assert isinstance(end, Ended)
    raised = end.raised()
    assert isinstance(raised, SystemExit)
    assert raised.code == "my reason"


def test_a_process_that_waits_for_an_answer_ends_when_none_can_come() -> None:
    def wait(channel: Channel) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in training, where it sets a flag
        channel.ask("ask")

    first, saved = saved_at_an_error_here(wait, 2)
    assert first == ["ask", "ask"]
    assert saved == b"savedsaved"


def test_told_twice_a_process_saves_what_it_does() -> None:
    """By its group and by the process that has made it."""

    def work(channel: Channel) -> None:
        try:
            channel.tell(os.getpid())
            long()
        except Interrupted:
            time.sleep(0.3)
            channel.tell("saved")
            raise

    messages: list[object] = []

    def serve() -> None:
        with ForkedProcesses([work]) as processes:
            for _, message in processes.messages():
                messages.append(message)
                if isinstance(message, int):
                    os.kill(message, signal.SIGTERM)
                    time.sleep(0.1)
                    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        serve()
    assert messages[1] == "saved"


def test_no_process_is_left_where_one_cannot_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    fork = os.fork
    children: list[int] = []

    def interrupted() -> int:
        if children:
            raise KeyboardInterrupt
        children.append(fork())
        return children[0]

    monkeypatch.setattr(os, "fork", interrupted)
    with pytest.raises(KeyboardInterrupt), ForkedProcesses([never_stopped] * 2):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_what_is_shown_makes_room_before_something_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def work(channel: Channel) -> None:
        print("a line")

    with ForkedProcesses([work], before_output=lambda: print("|", end="")) as processes:
        assert [message for _, message in processes.messages()] == [Ended(None)]
    assert capsys.readouterr().out == "|a line\n"
