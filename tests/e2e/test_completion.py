# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus completion`: the shells themselves complete command lines."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, rezolus
from terminal import Terminal

# Commands and the words that lead to them.
PATHS = [[], ["agent"], ["exporter"], ["record"], ["recording"], ["flight-recorder"], ["hindsight"],
         ["flight-recorder", "snapshot"], ["top"], ["status"], ["check"], ["completion"],
         *(["recording", tool]
           for tool in ("info", "summary", "diff", "convert", "recover", "upload"))]
SHELLS = ["bash", "zsh", "fish"]


def need(name):
    found = shutil.which(name)
    assert found, f"{name} is not installed; scripts/setup installs it"
    return found


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The scripts of all shells in a folder, with files that may be completed."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        made = rezolus("completion", shell)
        assert made.returncode == 0 and made.stdout, made.stderr
        (folder / f"script.{shell}").write_text(made.stdout)
    home = folder / "home"
    (home / "folder").mkdir(parents=True)
    (home / "agent.toml").touch()
    (home / "my recording.parquet").touch()
    return folder


def bash_replies(scripts, words):
    """What bash's function replies where the cursor is at the end of the last word."""
    result = subprocess.run(
        [need("bash"), "--norc", "-c",
         'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rezolus\n'
         'printf "%s\\n" "${COMPREPLY[@]}"', "bash", scripts / "script.bash", "rezolus", *words],
        text=True, capture_output=True, check=True, timeout=30, cwd=scripts / "home")
    assert result.stderr == ""
    return sorted(filter(None, result.stdout.split("\n")))


ZSHRC = r"""
autoload -Uz compinit && compinit -u -D
source "$SCRIPTS/script.zsh"
capture() {
  compadd() {
    if [[ "${@[1,(i)(-|--)]}" == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a found
    builtin compadd -O found "$@"
    (( $#found )) && print -rl -- $found >>"$SCRIPTS/zsh.replies"
    builtin compadd "$@"
  }
  _main_complete
  unfunction compadd
}
zle -C capture complete-word capture
zle-line-init() {
  for BUFFER in "${(@f)$(<"$SCRIPTS/zsh.lines")}"; do
    print -r -- "=" >>"$SCRIPTS/zsh.replies"
    CURSOR=$#BUFFER
    zle capture
  done
  print -r -- "END" >>"$SCRIPTS/zsh.replies"
  exit
}
zle -N zle-line-init
"""


def zsh_replies(scripts, lines):
    """What an interactive zsh offers for each of the lines."""
    (scripts / ".zshrc").write_text(ZSHRC)
    (scripts / "zsh.lines").write_text("\n".join(lines))
    (scripts / "zsh.replies").unlink(missing_ok=True)
    shell = Terminal(f"cd {scripts / 'home'}; ZDOTDIR={scripts} SCRIPTS={scripts} TERM=dumb "
                     f"{need('zsh')} -d -i; echo zsh ended")
    try:
        shell.expect("zsh ended", timeout=60)
    finally:
        shell.close()
    replies = (scripts / "zsh.replies").read_text().split("\n")
    assert replies[-2:] == ["END", ""], "zsh did not come to the last line"
    return [sorted(set(filter(None, block.split("\n"))))
            for block in "\n".join(replies[:-2]).split("=\n")[1:]]


def fish_replies(scripts, line):
    result = subprocess.run(
        [need("fish"), "--no-config", "-c", f"source {scripts}/script.fish; complete -C $argv[1]",
         line],
        text=True, capture_output=True, check=True, timeout=30, cwd=scripts / "home",
        env={**os.environ, "HOME": str(scripts / "home"), "PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert result.stderr == ""
    return sorted(reply.split("\t")[0] for reply in result.stdout.splitlines())


def help_options(path):
    """The options that --help lists, with the text of each."""
    text = rezolus(*path, "--help").stdout
    names = set()
    for option in re.findall(r"^  (-\S+)", text, re.MULTILINE):
        names.update(option.split(","))
    return names


def test_scripts_are_well_formed(scripts):
    for shell in SHELLS:
        checked = subprocess.run([need(shell), "-n", scripts / f"script.{shell}"],
                                 text=True, capture_output=True, check=False)
        assert checked.returncode == 0 and checked.stderr == "", (shell, checked.stderr)


def test_a_shell_is_named():
    result = rezolus("completion", "powershell")
    assert result.returncode == 2
    assert "'powershell' is not known; it is bash, zsh or fish" in result.stderr


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_bash_and_fish_have_the_options_of_help(scripts, path):
    wanted = help_options(path) if path else {"-h", "--help", "-V", "--version"}
    assert {"-h", "--help"} <= wanted
    assert set(bash_replies(scripts, [*path, "-"])) == wanted
    line = " ".join(["rezolus", *path])
    offered = set(fish_replies(scripts, f"{line} -"))
    # fish offers -i once an option without a value could go before it.
    assert {name for name in wanted if name.startswith("--")} <= offered
    assert offered <= wanted | {name + "=" for name in wanted}


def test_zsh_has_the_options_of_help(scripts):
    replies = zsh_replies(scripts, [" ".join(["rezolus", *path, "-"]) for path in PATHS])
    assert len(replies) == len(PATHS)
    for path, offered in zip(PATHS, replies):
        wanted = help_options(path) if path else {"-h", "--help", "-V", "--version"}
        assert set(offered) == wanted, path


# Words after `rezolus`, the last one not finished, and what is offered for it.
LINES = [
    (["rec"], ["record", "recording"]),
    (["hind"], ["hindsight"]),
    (["record", "--lay"], ["--layout"]),
    (["record", "--layout", ""], ["long", "wide"]),
    (["record", "--layout", "l"], ["long"]),
    (["record", "-f", "r"], ["raw"]),
    (["record", "-d", "10s", "--pri"], ["--priority"]),
    (["record", "--interval", ""], []),
    (["recording", "s"], ["summary"]),
    (["recording", "diff", "--sort", ""], ["change", "name"]),
    (["recording", "convert", "a.parquet", "b.parquet", "--lay"], ["--layout"]),
    (["flight-recorder", "snap"], ["snapshot"]),
    (["hindsight", "snapshot", "--las"], ["--last"]),
    (["completion", ""], ["bash", "fish", "zsh"]),
    (["record", "--samplers", "tcp_ret"], ["tcp_retransmit"]),
]


def test_lines_in_bash(scripts):
    for words, wanted in LINES:
        assert bash_replies(scripts, words) == wanted, words
    # "=" is a word of its own to bash.
    assert bash_replies(scripts, ["record", "--layout", "="]) == ["long", "wide"]
    assert bash_replies(scripts, ["record", "--layout", "=", "w"]) == ["wide"]
    assert bash_replies(scripts, ["record", "--samplers", "tcp_retransmit,cpu_us"]) == [
        "tcp_retransmit,cpu_usage"]
    # Another program's options are not ours.
    assert bash_replies(scripts, ["record", "--", "make", "--lay"]) == []
    assert "bash" in bash_replies(scripts, ["record", "--", "bas"])


def test_lines_in_zsh(scripts):
    lines = [" ".join(["rezolus", *words]) for words, _ in LINES]
    more = ["rezolus record --layout=", "rezolus record --samplers tcp_retransmit,cpu_us",
            "rezolus record -- bas", "rezolus agent a", "rezolus record --spool ",
            "rezolus record --label a=b -l c=d --lab", "rezolus-recording rec"]
    replies = zsh_replies(scripts, lines + more)
    for (words, wanted), offered in zip(LINES, replies):
        assert offered == wanted, words
    layouts, samplers, programs, configs, folders, labels, tools = replies[len(lines):]
    assert layouts == ["long", "wide"]
    assert samplers == ["cpu_usage"]
    assert "bash" in programs
    assert configs == ["agent.toml"]
    assert folders == ["folder"]
    assert labels == ["--label"]
    assert tools == ["recover"]


def test_lines_in_fish(scripts):
    for words, wanted in LINES:
        offered = [reply.rstrip("=") for reply in fish_replies(scripts, " ".join(["rezolus", *words]))]
        assert offered == wanted, words
    assert fish_replies(scripts, "rezolus record --layout=") == ["--layout=long", "--layout=wide"]
    assert fish_replies(scripts, "rezolus record --samplers tcp_retransmit,cpu_us") == [
        "tcp_retransmit,cpu_usage"]
    assert "bash" in fish_replies(scripts, "rezolus record -- bas")
    assert "--layout" not in fish_replies(scripts, "rezolus record -- ls --la")
    assert fish_replies(scripts, "rezolus agent a") == ["agent.toml"]
    assert fish_replies(scripts, "rezolus record --spool ") == ["folder/"]
    assert fish_replies(scripts, "rezolus-recording rec") == ["recover"]


def test_paths_in_bash(scripts):
    """readline completes paths itself, so this takes a terminal."""
    shell = Terminal(f"cd {scripts / 'home'}; TERM=dumb PS1='$ ' exec {need('bash')} --norc -i")
    try:
        shell.type(f"source {scripts}/script.bash; rezolus() {{ printf '<%s>' \"$@\"; echo; }}\n")
        for typed, wanted in [("rezolus ag\t a\t", "<agent><agent.toml>"),
                              ("rezolus recording info my\t", "<recording><info><my recording.parquet>"),
                              ("rezolus record --spool f\t", "<record><--spool><folder/>"),
                              ("rezolus record --config=a\t", "<record><--config=agent.toml>")]:
            shell.type(typed + "\n")
            shell.expect(wanted)
    finally:
        shell.close()
