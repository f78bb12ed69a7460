"""The services image runs our packages with the fast drivers, and not as root."""

import subprocess

import pytest

from tests.support import servers

pytestmark = pytest.mark.patient

SCRIPT = """
import os, sys
import crc32c, kafka, common
import mysql.connector
assert mysql.connector.HAVE_CEXT
host, port, password = sys.argv[1:]
connection = mysql.connector.connect(
    host=host, port=int(port), user="root", password=password, use_pure=False)
assert "CMySQL" in type(connection).__name__, type(connection)
cursor = connection.cursor()
cursor.execute("SELECT VERSION()")
print(os.getuid(), sys.version_info[:2], cursor.fetchone()[0])
"""


def test_the_image_talks_to_mysql_by_the_c_extension_as_an_ordinary_user(mysql_server):
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "host", "--entrypoint", "python3",
         servers.ensure_image("services"), "-c", SCRIPT,
         mysql_server.host, str(mysql_server.port), mysql_server.password],
        capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("10001 (3, 11) 9.7.")


def test_the_command_chooses_the_service():
    done = subprocess.run(
        ["docker", "run", "--rm", servers.ensure_image("services"), "no_such_service"],
        capture_output=True, text=True, check=False, timeout=120)
    assert "No module named no_such_service" in done.stderr
