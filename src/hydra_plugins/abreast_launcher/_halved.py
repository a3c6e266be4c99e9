"""The stacks of a sweep with successive halving: those of its first start, whatever has ended since."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from abreast.stacking.grouping import Plan, plan
from hydra_plugins.abreast_launcher._jobs import Position, SweepJob


def plan_halved(
    jobs: Sequence[SweepJob], remaining: Collection[SweepJob], max_lanes: int
) -> list[tuple[list[SweepJob], Plan]]:
    """What is trained together of the jobs that remain, and tell them with whom they are compared.

    Args:
        jobs: All jobs of the sweep.
        remaining: Those that are to be trained. The others have ended in an earlier start.
        max_lanes: The most jobs in a stack.

    Returns:
        Parts of jobs that start at one position of the training, and the plan of each.
    """
    numbers = {job.number for job in remaining}
    whole = plan([job.run_config or {} for job in jobs], max_lanes)
    parts: list[tuple[list[SweepJob], Plan]] = []
    for stack in whole.stacks:
        peers = [jobs[number] for number in stack]
        by_position: dict[Position, list[SweepJob]] = {}
        for job in peers:
            if job.number in numbers:
                job.peers = peers
                by_position.setdefault(job.position, []).append(job)
        # Those behind come first: at a rung, each is compared with all that have come as far.
        parts += [(part, Plan([[*range(len(part))]])) for _, part in sorted(by_position.items())]
    for reason, alone in whole.individual.items():
        part = [jobs[number] for number in alone if jobs[number].number in numbers]
        if part:
            parts.append((part, Plan([], {reason: [*range(len(part))]})))
    return parts
