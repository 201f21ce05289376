"""What is made of the catalogue of tables: the page of diagrams, and the files that are written."""

from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from typer.testing import CliRunner

from cli.catalogs import erd
from cli.catalogs.areas import areas
from cli.main import app
from projections.catalog import relations

VOID = {"meta", "rect", "path"}


class Read(HTMLParser):
    """Which elements there are, whether each is closed where it must be, and what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.targets += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_draws_every_table_names_every_view_and_loads_nothing() -> None:
    read = Read()
    page = erd.page(relations())
    read.feed(page)
    assert read.open == []
    assert sorted(read.ids) == sorted([*(each.name for each in relations()), *(area.anchor for area in areas(relations()))])
    assert {target[1:] for target in read.targets} <= set(read.ids)
    assert {target[0] for target in read.targets} == {"#"}
    assert not read.tags & {"script", "link", "img", "iframe"}
    assert "url(" not in page
    drawn = {f"{each.name}.{name}: " for each in relations() for name in each.columns}
    assert len(drawn) > 900
    for each in relations():
        for name, column in each.columns.items():
            assert name in page
            assert column.meaning.split("'")[0].split("<")[0].split("&")[0].split('"')[0] in page


def test_no_two_boxes_of_a_drawing_overlap() -> None:
    for area in areas(relations()):
        boxes = sorted(erd.layout(area.tables).values(), key=lambda box: (box.x, box.y))
        assert len(boxes) == len(area.tables)
        for above, below in pairwise(boxes):
            assert above.x + erd.WIDTH <= below.x or (above.x == below.x and above.y + above.height <= below.y)


def test_files_are_written_the_same_each_time_and_nothing_of_others_is_replaced(tmp_path: Path) -> None:
    run, page = CliRunner(), tmp_path / "erd.html"
    assert run.invoke(app, ["db", "erd", "--html", str(page)]).exit_code == 0
    assert page.read_text("utf-8") == erd.page(relations())
    assert run.invoke(app, ["db", "erd"]).stdout.startswith("# Tables\n")
    sources = tmp_path / "models/gesta/sources.yml"
    first = run.invoke(app, ["db", "dbt", str(sources.parent), "--schema", "july", "--name", "of_july"])
    assert (first.exit_code, first.stdout) == (0, f"wrote        {sources}\n")
    written = sources.read_bytes()
    assert run.invoke(app, ["db", "dbt", str(sources.parent), "--schema", "july", "--name", "of_july"]).exit_code == 0
    assert sources.read_bytes() == written
    assert run.invoke(app, ["db", "dbt", str(sources.parent), "--name", "no name"]).exit_code == 2
    sources.write_text("version: 2\n")
    refused = run.invoke(app, ["db", "dbt", str(sources.parent)])
    assert refused.exit_code == 1
    assert "stays as it is" in str(refused.exception)
    assert sources.read_text() == "version: 2\n"
