"""Fetch one file from the first mirror that has it, whole and with the right checksum."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import os
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout  # the builtin only from Python 3.11 on
from pathlib import Path

from abreast.errors import DataError

log = logging.getLogger(__name__)

_BLOCK = 1 << 16


def download(
    name: str,
    md5: str,
    mirrors: Sequence[str],
    target: Path,
    *,
    answer: float = 5.0,
    stall: float = 15.0,
    total: float = 900.0,
) -> None:
    """Fetch `mirror/name` into `target`: all of it, or nothing.

    The bytes go to a temporary name beside the target, renamed when they are checked and on the disk.

    Args:
        name: The file's name at a mirror.
        md5: Its checksum, in hexadecimal digits.
        mirrors: Base URLs, tried in turn.
        target: Where the file is written.
        answer: Seconds until a mirror's reply must begin.
        stall: Seconds that a mirror may send nothing.
        total: Seconds that a mirror may take in all.

    Raises:
        DataError: Why each mirror failed, a line each, or why the file could not be written.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    reasons = []
    try:
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}"
            try:
                _fetch(url, md5, part, answer, stall, total)
            except _MirrorError as error:
                log.info("%s: %s", url, error)
                reasons.append(f"  {url}: {error}")
            else:
                part.replace(target)
                return
    except OSError as error:
        raise DataError(f"Cannot write {target}: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    raise DataError("\n".join([f"No mirror gave {name}:", *(reasons or ["  (there are none)"])]))


class _MirrorError(Exception):
    """Why a mirror did not serve: not an OSError, so that the disk's errors are told apart."""


def _fetch(url: str, md5: str, part: Path, answer: float, stall: float, total: float) -> None:
    log.info("downloading %s", url)
    digest = hashlib.md5(usedforsecurity=False)
    with part.open("wb") as out:
        for block in _blocks(url, answer, stall, total):
            digest.update(block)
            out.write(block)
        if digest.hexdigest() != md5:
            raise _MirrorError(
                f"wrong checksum: md5 {digest.hexdigest()} of {out.tell()} bytes, expected {md5}"
            )
        out.flush()
        os.fsync(out.fileno())
        log.info("downloaded %s, %.1f MB", url, out.tell() / 1e6)


def _blocks(url: str, answer: float, stall: float, total: float) -> Iterator[bytes]:
    deadline = time.monotonic() + total
    got = 0
    try:
        with _open(url, answer, stall) as response:
            length = response.headers.get("Content-Length")
            # read1 gives what has come: read would wait for a full block, however slowly it drips.
            while block := response.read1(_BLOCK):
                got += len(block)
                yield block
                if time.monotonic() > deadline:
                    raise _MirrorError(f"too slow: {got} bytes in {total:g} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _MirrorError(str(error.reason)) from None
    except TimeoutError:
        raise _MirrorError(f"stalled: nothing came for {stall:g} s after {got} bytes") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _MirrorError(f"{type(error).__name__}: {error}") from None
    if length is not None and length.isdigit() and got < int(length):
        raise _MirrorError(f"cut off: {got} of {length} bytes")


def _open(url: str, answer: float, stall: float) -> http.client.HTTPResponse:
    """Wait `answer` seconds for the reply.

    A thread, since a socket's timeout bounds neither the name look-up nor the walk through all addresses of a
    host: without a network these take a minute.
    """
    reply: Future[http.client.HTTPResponse] = Future()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "abreast"})
            response = urllib.request.urlopen(request, timeout=stall)
        except BaseException as error:
            with contextlib.suppress(InvalidStateError):  # nobody waits any more
                reply.set_exception(error)
            return
        try:
            reply.set_result(response)
        except InvalidStateError:
            response.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        return reply.result(timeout=answer)
    except FutureTimeout:
        if reply.cancel():
            raise _MirrorError(f"no answer within {answer:g} s") from None
        return reply.result()  # it came just now, or the timeout was the socket's own
