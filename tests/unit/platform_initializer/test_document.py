"""Reading platform.yml: the example, defaults, and every kind of problem at its line."""

from pathlib import Path

import pytest

from common.secret import Secret
from platform_initializer.document import DocumentError, load_description, parse_description
from platform_initializer.domain.description import MailServer, ServiceWish

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path("/home/operator")


def read(text):
    return parse_description(text.encode(), "platform.yml", FOLDER)


def problems(text):
    with pytest.raises(DocumentError) as caught:
        read(text)
    return [(p.line, p.code, p.path) for p in caught.value.problems], caught.value.problems


def test_the_example_is_read_whole():
    example = load_description(ROOT / "config/platform.example.yml")
    assert example.platform == "acme"
    assert example.machine_names() == ["m1", "m2", "here", "worker1", "worker2", "worker3"]
    second = example.machines[1]
    assert (second.login.user, second.login.port, dict(second.labels)) == ("root", 2222, {"zone": "b"})
    assert example.machines[2].is_local
    assert example.wish("mysql") == ServiceWish(on=("m1",))
    assert example.wish("scheduler").replicas == 2
    assert example.apps == ("shop/heating:1.4", "shop/lights:2.0")
    assert example.store == ROOT / "config/secrets.json"


def test_the_demos_file_is_read():
    demo = load_description(ROOT / "config/demo.platform.yml")
    assert (demo.driver, demo.machine_names()) == ("docker", ["m1", "m2", "m3"])
    assert demo.pools[0].memory == 4 << 30


def test_little_is_needed():
    least = read("version: 1\nplatform: a\nmachines: [{name: here, local: true}]\n")
    assert least.machines[0].address == "127.0.0.1"
    assert least.store == FOLDER / "secrets.json"
    assert least.publish == 8443


def test_the_policy_of_apps_is_read_as_the_client_will_read_it(tmp_path):
    text = "version: 1\nplatform: a\nmachines: [{name: m, address: h}]\nimages:\n  policy: p.json\n"
    policy = '{"images": {"shop/*": {"cap_add": ["SYS_NICE"]}}}'
    (tmp_path / "p.json").write_text(policy)
    assert parse_description(text.encode(), "f", tmp_path).policy == policy
    for wrong, said in (('{"images": {"shop/*": {"privileged": true}}}', "privileged"), (None, "cannot be read")):
        (tmp_path / "p.json").unlink()
        if wrong:
            (tmp_path / "p.json").write_text(wrong)
        with pytest.raises(DocumentError) as caught:
            parse_description(text.encode(), "f", tmp_path)
        (problem,) = caught.value.problems
        assert (problem.line, problem.code) == (5, "bad_policy")
        assert said in problem.message


MAIL = """version: 1
platform: a
machines: [{name: m, address: h}]
mail: {host: smtp.example, from: rota@example.org, port: 2525, user: rota, password_file: p}
"""


def test_the_mail_server_s_password_is_read_and_never_shown(tmp_path):
    (tmp_path / "p").write_text("canary-7\n")
    (tmp_path / "p").chmod(0o600)
    found = parse_description(MAIL.encode(), "f", tmp_path)
    assert found.mail == MailServer(
        "smtp.example", "rota@example.org", "starttls", 2525, "rota", Secret("canary-7"))
    assert "canary" not in repr(found)


@pytest.mark.parametrize(("change", "code", "path"), [
    (("from: rota@example.org, ", ""), "missing_key", "mail.from"),
    (("rota@example.org", "nobody"), "bad_value", "mail.from"),
    (("port: 2525", "port: 0"), "out_of_range", "mail.port"),
    (("port: 2525", "tls: none"), "bad_value", "mail.tls"),
    (("user: rota, ", ""), "missing_key", "mail.user"),
    ((", password_file: p", ""), "missing_key", "mail.password_file"),
    (("password_file: p", "password_file: absent"), "unreadable", "mail.password_file"),
    (("password_file: p", "password_file: open"), "open_to_others", "mail.password_file"),
])
def test_a_mail_server_that_cannot_be_used_is_refused(tmp_path, change, code, path):
    for name, mode in (("p", 0o600), ("open", 0o644)):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(mode)
    with pytest.raises(DocumentError) as caught:
        parse_description(MAIL.replace(*change).encode(), "f", tmp_path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.code, problem.path) == (4, code, path)


BASE = "version: 1\nplatform: a\n"


@pytest.mark.parametrize(("text", "line", "code", "path"), [
    ("platform: a\nmachines: [{name: m, address: h}]\n", 1, "missing_key", "version"),
    ("version: 2\nplatform: a\nmachines: [{name: m, address: h}]\n", 1, "out_of_range", "version"),
    (BASE, 1, "missing_key", "machines"),
    (BASE + "machine: []\nmachines: [{name: m, address: h}]\n", 3, "unknown_key", "machine"),
    (BASE + "machines:\n  - name: m\n", 4, "missing_key", "machines[0].address"),
    (BASE + "machines:\n  - {name: M, address: h}\n", 4, "bad_value", "machines[0].name"),
    (BASE + "machines:\n  - {name: m, address: h, host_key: x}\n", 4, "bad_value",
     "machines[0].host_key"),
    (BASE + "machines:\n  - {name: m, address: h}\n  - {name: m, address: i}\n", 5,
     "duplicate_name", "machines[1].name"),
    (BASE + "machines: [{name: m, local: true}, {name: n, address: h}]\n", 3, "missing_key",
     "machines[0].address"),
    (BASE + "provision: {driver: vagrant}\nmachines: [{name: m, address: h}]\n", 3, "bad_value",
     "provision.driver"),
    (BASE + "provision:\n  driver: docker\n  pools: [{name: m, count: 0}]\n", 5, "out_of_range",
     "provision.pools[0].count"),
    (BASE + "provision:\n  driver: docker\n  pools: [{name: m, count: 1, memory: 4GB}]\n", 5,
     "bad_value", "provision.pools[0].memory"),
    (BASE + "machines: [{name: m, address: h}]\nservices: {mysql: {on: [n]}}\n", 4, "bad_value",
     "services.mysql.on[0]"),
    (BASE + "machines: [{name: m, address: h}]\nservices: {mysql: {replicas: 2}}\n", 4,
     "out_of_range", "services.mysql.replicas"),
    (BASE + "machines: [{name: m, address: h}]\nservices: {sceduler: {}}\n", 4, "unknown_key",
     "services.sceduler"),
    (BASE + "machines: [{name: m, address: h}]\nservices: {mysql: {publish: 1}}\n", 4,
     "unknown_key", "services.mysql.publish"),
    (BASE + "machines: [{name: m, address: h}]\nimages: {apps: ['A b']}\n", 4, "bad_value",
     "images.apps[0]"),
    (BASE + "machines: [{name: m, address: h}]\nssh: {connect_timeout: soon}\n", 4, "bad_value",
     "ssh.connect_timeout"),
])  # fmt: skip
def test_a_problem_has_its_line_and_path(text, line, code, path):
    found, _ = problems(text)
    assert (line, code, path) in found


def test_all_problems_are_told_at_once_with_the_nearest_word():
    found, whole = problems(BASE + "servces: {}\nmachines:\n  - {name: m, adress: h, host_key: 7}\n")
    assert [line for line, _, _ in found] == [3, 5, 5, 5]
    assert {p.hint for p in whole} >= {"did you mean `services`?", "did you mean `address`?"}


@pytest.mark.parametrize(("services", "code"), [
    ("{mysql: {on: [m, n]}}", "too_many"),
    ("{scheduler: {on: [m], replicas: 2}}", "too_many"),
])
def test_a_pin_that_cannot_be_is_told(services, code):
    found, _ = problems(BASE + "machines: [{name: m, address: h}, {name: n, address: i}]\n"
                        f"services: {services}\n")
    assert [line for line, _, _ in found] == [4]
    assert found[0][1] == code


def test_a_service_pinned_to_two_machines_has_two_replicas():
    two = read(BASE + "machines: [{name: m, address: h}, {name: n, address: i}]\n"
               "services: {scheduler: {on: [m, n]}}\n")
    assert two.wish("scheduler") == ServiceWish(on=("m", "n"), replicas=2)
