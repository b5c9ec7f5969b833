# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Manual pages and what `cmake --install` installs."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, rezolus

PAGES = sorted((BUILD / "manual" / "man" / "man1").glob("*.1"))


def need(name):
    found = shutil.which(name)
    assert found, f"{name} is not installed; scripts/setup installs it"
    return found


def test_pages_are_built():
    assert "rezolus-record.1" in {page.name for page in PAGES}, f"no pages in {BUILD}/manual"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_well_formed(page):
    if page.name == "rezolus-hindsight.1":
        assert page.read_text() == ".so man1/rezolus-flight-recorder.1\n"
        return  # test_install has man find it
    for command in ([need("mandoc"), "-T", "lint"], [need("groff"), "-man", "-ww", "-z"],
                    [need("man"), "--warnings", "-l"]):
        checked = subprocess.run([*command, page], text=True, capture_output=True, check=False,
                                 env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
        assert (checked.returncode, checked.stderr) == (0, ""), command
        assert command[1] != "-T" or checked.stdout == ""


def rendered(name):
    page = BUILD / "manual" / "man" / "man1" / f"{name}.1"
    result = subprocess.run([need("mandoc"), "-T", "utf8", "-O", "width=200", page], text=True,
                            capture_output=True, check=True)
    return re.sub(".\b", "", result.stdout)


@pytest.mark.parametrize("path", [["agent"], ["record"], ["flight-recorder"], ["status"],
                                  ["flight-recorder", "snapshot"], ["recording", "convert"]],
                         ids=" ".join)
def test_a_page_says_what_help_says(path):
    text = " ".join(rendered(f"rezolus-{path[0]}").split())
    said = rezolus(*path, "--help").stdout
    options = re.findall(r"^  (-\S+)", said, re.MULTILINE)
    assert options
    for option in options:
        for name in option.split(","):
            assert name in text
    for example in re.findall(r"^  (rezolus .*?)(?:  |$)", said, re.MULTILINE):
        assert " ".join(example.split()) in text


def shells_find_the_scripts(prefix):
    """Where the shells look when they are installed below the same prefix."""
    share = prefix / "share"
    bash = f"source {share}/bash-completion/completions/rezolus; complete -p rezolus"
    zsh = (f"fpath=({share}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; "
           "print $_comps[rezolus] $_comps[rezolus-recording]")
    fish = "complete -C 'rezolus record --layout '"
    environment = {**os.environ, "HOME": str(prefix), "XDG_DATA_DIRS": f"{share}:/usr/share",
                   "PATH": f"{prefix}/bin:{os.environ['PATH']}"}
    for command, wanted in ((["bash", "--norc", "-c", bash], "complete -F _rezolus rezolus\n"),
                            (["zsh", "-f", "-c", zsh], "_rezolus _rezolus\n"),
                            (["fish", "-c", fish], "long\t")):
        said = subprocess.run([need(command[0]), *command[1:]], text=True, capture_output=True,
                              check=False, env=environment, cwd=prefix)
        assert said.returncode == 0 and said.stdout.startswith(wanted), (command, said)


def test_install(tmp_path):
    installed = subprocess.run([need("cmake"), "--install", BUILD, "--prefix", tmp_path],
                               text=True, capture_output=True, check=False)
    assert installed.returncode == 0, installed.stderr
    for path in ("share/man/man1/rezolus.1", "share/man/man1/rezolus-record.1",
                 "share/man/man1/rezolus-hindsight.1",
                 "share/bash-completion/completions/rezolus", "share/zsh/site-functions/_rezolus",
                 "share/fish/vendor_completions.d/rezolus.fish"):
        assert (tmp_path / path).stat().st_size > 0, path
    programs = ["rezolus"] + (["rezolus-recording"] if (BUILD / "rezolus-recording").exists() else [])
    for program in programs:
        ran = subprocess.run([tmp_path / "bin" / program, "--version"], text=True,
                             capture_output=True, check=False)
        assert ran.returncode == 0 and ran.stdout.startswith(program), ran.stderr
    shells_find_the_scripts(tmp_path)
    # man finds an alias's page.
    shown = subprocess.run(["man", "-M", tmp_path / "share/man", "rezolus-hindsight"], text=True,
                           capture_output=True, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C"})
    assert shown.returncode == 0 and "flight-recorder" in shown.stdout, shown.stderr
