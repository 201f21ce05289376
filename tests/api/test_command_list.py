"""The one list of commands: each is known to the vocabulary of permissions, and given by some route."""

import re
from pathlib import Path

from api import commands
from api.commands import COMMANDS, CommandSpec
from domain.permission import PERMISSIONS
from tests.api.rights import ROWS

ROUTES = Path(commands.__file__).parent / "routes"


def test_a_command_has_a_name_of_its_own_and_a_permission_that_exists() -> None:
    assert len({each.name for each in COMMANDS}) == len(COMMANDS)
    assert {each.permission for each in COMMANDS} <= set(PERMISSIONS)
    needed = {row.permission for (method, _), row in ROWS.items() if method != "GET"}
    assert {each.permission for each in COMMANDS} == needed - {None}, "nothing that one does for oneself alone is a command more"


def test_its_constant_is_called_as_it_is() -> None:
    for name, each in vars(commands).items():
        if isinstance(each, CommandSpec):
            assert name == each.name.upper().replace(".", "_")


def test_every_command_is_given_by_a_route_and_routes_give_no_others() -> None:
    said = "\n".join(path.read_text("utf-8") for path in sorted(ROUTES.glob("*.py")))
    given = set(re.findall(r"\bcommands\.([A-Z_]+)\b", said))
    assert given == {each.name.upper().replace(".", "_") for each in COMMANDS}
    assert not re.findall(r'\.(?:command|platform_command|decide|authorize|to_command|note)\(\s*f?"', said)
