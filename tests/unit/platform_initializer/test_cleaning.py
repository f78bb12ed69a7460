"""Secrets that nothing reads any more are taken off a machine, and not before that is so."""

from dataclasses import replace

from common.secret import Secret
from platform_initializer.domain.choosing import one_machine_at_a_time
from platform_initializer.domain.description import MailServer
from platform_initializer.domain.facts import FileFact
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.planning import plan
from tests.unit.platform_initializer.worlds import change, converged, world


def test_the_mail_servers_password_goes_with_it_once_its_reader_was_replaced(tmp_path):
    mail = MailServer("smtp.example", "rota@example.org", user="rota", password=Secret("canary-7"))
    told = converged(world(tmp_path, mail=mail))
    (home,) = told.homes_of("application_manager")
    without = replace(told, description=replace(told.description, mail=None))
    steps = {step.key: step for step in plan(without)}
    assert steps.keys() == {f"application_manager@{home}", f"secrets@{home}"}
    cleaning = steps[f"secrets@{home}"]
    assert cleaning.reason == "no longer kept: mail_password"
    assert f"application_manager@{home}" in cleaning.after
    gates = [Step(f"health@{name}", name, Phase.HEALTH, "wait", "always", lambda: None)
             for name in without.names]
    rolling = {step.key: step for step in one_machine_at_a_time(
        list(steps.values()), gates, without.names)}
    assert f"application_manager@{home}" in rolling[f"secrets@{home}"].after
    assert f"secrets@{home}" in rolling[f"health@{home}"].after


def test_the_secrets_of_a_service_that_moved_go_after_it_was_stopped(tmp_path):
    done = converged(world(tmp_path))
    path = "/etc/rota/secrets/scheduler/kafka_password"
    (home,) = done.homes_of("scheduler")
    other = next(name for name in done.names if name != home)
    left = change(done, other, files={**done.facts[other].files, path: FileFact("0", 0o400, 10001)})
    (cleaning,) = plan(left)
    assert (cleaning.key, "remove:scheduler@" + other in cleaning.after) == (f"secrets@{other}", True)
