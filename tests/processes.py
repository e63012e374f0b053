"""Several processes of a training, forked from a test."""

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist


def free_port() -> int:
    """A port of the loopback address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _child(rank: int, count: int, port: int, function: Callable, arguments: tuple, answers: Any, join: bool) -> None:
    torch.set_num_threads(1)
    os.environ |= dict(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count), OMP_NUM_THREADS="1")
    os.environ |= dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        if join:
            dist.init_process_group("gloo", timeout=timedelta(seconds=60))
        answers.put((rank, pickle.dumps(function(*arguments)), None))  # tensors by value, not by shared memory
        if join:
            dist.barrier()
    except BaseException:
        answers.put((rank, None, traceback.format_exc()))
    finally:
        answers.close()
        answers.join_thread()
        os._exit(0)


def run_processes(
    count: int, function: Callable, *arguments: Any, timeout: float = 120, join: bool = True
) -> list[Any]:
    """What ``function(*arguments)`` returns on each of ``count`` processes that can talk to each other.

    A library that keeps threads of its own, as hotcoco does, must not be used in them: it may have been used
    before the fork, and would wait for threads that are not there.

    Args:
        count: of processes.
        function: what each runs.
        arguments: of it.
        timeout: seconds to wait for each answer.
        join: bring them into one process group; else it is for the function to do.

    Raises:
        AssertionError: with the traceback of a process that failed.
    """
    context = multiprocessing.get_context("fork")
    answers, port = context.Queue(), free_port()
    processes = [
        context.Process(target=_child, args=(rank, count, port, function, arguments, answers, join))
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    try:
        found = sorted((answers.get(timeout=timeout) for _ in processes), key=lambda answer: answer[0])
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    faults = [f"process {rank}:\n{fault}" for rank, _, fault in found if fault]
    assert not faults, "\n".join(faults)
    return [pickle.loads(answer) for _, answer, _ in found]
