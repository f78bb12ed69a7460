"""What the platform client can do about one attempt. Which of it is next is `decide`'s."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.messages import ContainerChanged
from node_manager.client.domain.attempt import Ending, Ran


@dataclass(frozen=True)
class Wait:
    """Nothing to do until `until` (None: until something changes).

    `is_urgent` False: what comes then is a start, and stops go first.
    """

    until: datetime | None = None
    is_urgent: bool = True


@dataclass(frozen=True)
class Fetch:
    """See to it that the image is here, well before it is needed."""


@dataclass(frozen=True)
class Create:
    """Create the container, not started."""


@dataclass(frozen=True)
class Start:
    """Start the created container."""


@dataclass(frozen=True)
class Restart:
    """Start the ended container once more, remembering `ran` first."""

    ran: Ran


@dataclass(frozen=True)
class Announce:
    """Report that it runs."""

    report: ContainerChanged
    ran: Ran


@dataclass(frozen=True)
class End:
    """Remember `ending`, then send the stop signal."""

    ending: Ending


@dataclass(frozen=True)
class Kill:
    """Send SIGKILL, and look again after two seconds."""


@dataclass(frozen=True)
class Finish:
    """Remember and report how it ended."""

    report: ContainerChanged


@dataclass(frozen=True)
class Remove:
    """Remove the container, which does not run; keep its log if it ever ran."""


@dataclass(frozen=True)
class Withdraw:
    """Remove the container that Docker was told to start and has not, then finish with `report`.

    Docker may be starting it yet: then it refuses to remove it, and it is looked at again.
    """

    report: ContainerChanged


Action = (
    Wait | Fetch | Create | Start | Restart | Announce | End | Kill | Finish | Remove | Withdraw
)
