"""``make demo``: three machines, the platform on them, a schedule, its jobs live, and a verdict.

Everything a person sees is done by the `rota` command; only following the jobs asks the API itself,
since a command a second would load the very machine that is shown.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from cli.api import Api
from cli.connection import load_connection
from cli.errors import CliError
from common.clock import SystemClock
from scripts.demo_jobs import Follower, Jobs, judge

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / ".rota" / "demo"
PLATFORM = FOLDER / "platform.yml"
SCHEDULE = REPOSITORY / "config" / "demo.schedule.yml"
FOLLOW_FOR = timedelta(minutes=2)


def up() -> int:
    """Bring the demo up and follow it; 1 when a job did not do what its schedule says."""
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "config" / "demo.platform.yml", PLATFORM)
    say("1/3  the platform, on three machines of its own")
    if rota("platform", "up", "-f", str(PLATFORM)) != 0:
        return 1
    say(f"2/3  the schedule file {SCHEDULE.relative_to(REPOSITORY)}"
        f" (after {time.monotonic() - began:.0f} s)")  # fmt: skip
    if rota("schedule", "apply", str(SCHEDULE), "--yes") != 0:
        return 1
    say(f"3/3  its jobs, for {FOLLOW_FOR.total_seconds() / 60:.0f} minutes")
    problems = follow(SystemClock().now())
    print()
    if problems:
        print("\n".join(f"NOT AS SCHEDULED: {problem}" for problem in problems))
        print("Look at: .venv/bin/rota job list; .venv/bin/rota service list")
        return 1
    print("Every job did what its schedule says.")
    show_what_next()
    return 0


def follow(since: datetime) -> list[str]:
    """Print each change of each job's state until the time is over; return what went wrong."""
    seen = Follower().follow(Jobs(Api.of_user(timeout_s=3.0)), since, FOLLOW_FOR)
    return judge(SCHEDULE, seen, since, SystemClock().now())


def show_what_next() -> None:
    """Tell where to look and what to try."""
    print(f"""
The page      {load_connection().url}
              user admin; the password was shown at the first `up`, and stands in
              {FOLDER.relative_to(REPOSITORY)}/secrets.json
What next     . .venv/bin/activate
              rota job list --limit 10
              rota job explain JOB       why it ran where it ran
              rota node list
              rota schedule apply config/demo.schedule.yml     after changing it
              docker kill rota-demo-m2   and see what becomes of its jobs
              make demo-down             removes all of it""")


def down() -> int:
    """Remove everything the demo made."""
    if not PLATFORM.exists():
        print("there is no demo here")
        return 0
    code = rota("platform", "down", "-f", str(PLATFORM), "--destroy", "--yes")
    if code == 0:
        shutil.rmtree(FOLDER)
    return code


def rota(*arguments: str) -> int:
    """Run the command as a person would, its output shown."""
    shown = " ".join(arguments).replace(f"{REPOSITORY}/", "")
    print(f"$ rota {shown}", flush=True)
    return subprocess.run([sys.executable, "-m", "cli", *arguments], check=False).returncode


def say(title: str) -> None:
    print(f"\n== {title}", flush=True)


def main() -> int:
    """Run `up` or `down`; a person sees no traceback."""
    actions = {"up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print("usage: python -m scripts.demo up|down", file=sys.stderr)
        return 2
    try:
        return actions[sys.argv[1]]()
    except CliError as error:
        print(f"error: {error.what}: {error.why or ''}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("\nleft; the platform goes on running (make demo-down removes it)")
        return 130


if __name__ == "__main__":
    sys.exit(main())
