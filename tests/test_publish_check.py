"""tools/publish_check.py, on a folder of its own and a server of its own."""

import http.server
import threading

import publish_check
import pytest


@pytest.fixture
def server():
    """An address: /there is there, /refused is not for programs, and all else is dead."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response({"/there": 200, "/refused": 403}.get(self.path, 404))
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_answers(server):
    assert publish_check.ask(f"{server}/there") == "there"
    assert publish_check.ask(f"{server}/refused") == "refused"
    assert publish_check.ask(f"{server}/gone") == "dead"
    assert publish_check.ask("http://127.0.0.1:9/") == "not reached"
    assert publish_check.ask("https://no such host/") == "not reached"


def test_what_is_printed(server, capsys):
    found = {f"{server}/there": ["a.md"], f"{server}/gone": ["b.md", "c.md"]}
    answers = publish_check.check_links(found)
    assert list(answers.values()) == ["there", "dead"]
    printed = capsys.readouterr().out
    assert f"dead, 1 of 2:\n- {server}/gone (b.md)\n" in printed
    assert "1 of 2 links are there." in printed


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See [it](https://a.org/b).", ["https://a.org/b"]),
        ("(https://a.org/b_(c))", ["https://a.org/b_(c)"]),
        ("<https://a.org/b>, https://a.org/b#part", ["https://a.org/b"]),
        ("  doi = {10.1/abc},", ["https://doi.org/10.1/abc"]),
        ("http://localhost:8000/demos/ and https://proxy.example.org", []),
        ('href: "https://a.org"', ["https://a.org"]),
    ],
)
def test_links_in(text, links):
    assert publish_check.links_in(text) == links


def test_links_of_the_course():
    found = publish_check.links(publish_check.REPOSITORY)
    assert len(found) > 100
    assert any("arxiv.org" in link for link in found)
    assert not any(link.endswith((".", ")", ",")) for link in found)


def test_the_address_is_written_once(tmp_path):
    config = 'website:\n  title: "A"\n  # repo-url: where\n  repo-url: https://github.com/OWNER/a\n'
    (tmp_path / "_quarto.yml").write_text(config)
    before = publish_check.write_address(tmp_path, "https://github.com/me/b")
    assert before == "https://github.com/OWNER/a"
    assert (tmp_path / "_quarto.yml").read_text() == config.replace("OWNER/a", "me/b")


def test_what_is_left_over(tmp_path):
    assert publish_check.left_over(tmp_path) == []
    (tmp_path / "CITATION.cff").write_text('authors:\n  - name: "The authors of it"\n')
    (tmp_path / ".zenodo.json").write_text('{"creators": [{"name": "Doe, Jo"}]}')
    assert publish_check.left_over(tmp_path) == [
        "CITATION.cff: no author is named",
        "CITATION.cff: no version is named",
    ]


def test_every_file_of_the_list_exists():
    """The list looks for things in files; one that was moved would count as done."""
    problems = "\n".join(publish_check.left_over(publish_check.REPOSITORY))
    for name in ("_quarto.yml", "CITATION.cff", "paper/paper.md", ".zenodo.json"):
        assert (publish_check.REPOSITORY / name).exists()
    assert (publish_check.REPOSITORY / ".github" / "CODE_OF_CONDUCT.md").exists()
    assert problems.count("\n") <= 6


def test_an_address_that_is_none(monkeypatch):
    monkeypatch.setattr(publish_check.sys, "argv", ["publish_check.py", "github.com/me"])
    with pytest.raises(SystemExit, match="is not an address"):
        publish_check.main()
