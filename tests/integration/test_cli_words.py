# SPDX-License-Identifier: BSD-2-Clause
"""Help and completion: the words that the program takes, in real shells."""
import re
import shutil
import subprocess

import pytest

from harness.akkod import PROGRAM

SHELLS = ["bash", "zsh", "fish"]


def akkod(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True,
                          timeout=30)


@pytest.fixture(scope="module")
def commands():
    """Each command with the options that its help names."""
    names = re.findall(r"^  ([a-z]+)  ", akkod("help").stdout, re.M)
    return {name: set(re.findall(r"--[a-z-]+", akkod("help", name).stdout))
            for name in names}


def complete(script, *words):
    """What bash offers for the last word."""
    line = " ".join(words)
    run = (f'. "{script}"\ncomplete -p akkod >/dev/null || exit 9\n'
           f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n'
           + ('COMP_WORDS+=("")\n' if not words[-1] else "")
           + '_akkod\nprintf "%s\\n" "${COMPREPLY[@]}"\n')
    done = subprocess.run(["bash", "--norc", "-c", run], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "akkod"
    path.write_text(akkod("completion", "bash").stdout)
    return path


def test_bash_completes_commands(script, commands):
    assert complete(script, "akkod", "''") == set(commands)
    assert complete(script, "akkod", "st") == {"start", "stop", "status"}
    assert complete(script, "akkod", "help", "ex") == {"explain"}
    assert complete(script, "akkod", "completion", "''") >= set(SHELLS)


def test_bash_completes_options(script, commands):
    for name, options in commands.items():
        assert complete(script, "akkod", name, "--") == options | {"--help"}
    assert "-c" in complete(script, "akkod", "check", "-")
    assert complete(script, "akkod", "routes", "--js") == {"--json"}


def test_bash_completes_files(script, tmp_path):
    (tmp_path / "one.yaml").touch()
    (tmp_path / "sub").mkdir()
    at = f"{tmp_path}/"
    assert complete(script, "akkod", "check", "-c", at) == \
        {f"{at}one.yaml", f"{at}sub"}
    assert complete(script, "akkod", "check", "--runtime-dir", at) == {f"{at}sub"}
    # Nothing to offer for what only the reader knows.
    assert complete(script, "akkod", "explain", "--method", "''") == set()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_it(shell, tmp_path):
    path = tmp_path / "akkod"
    path.write_text(akkod("completion", shell).stdout)
    done = subprocess.run([shell, "-n", str(path)], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_zsh_loads_it(tmp_path):
    (tmp_path / "_akkod").write_text(akkod("completion", "zsh").stdout)
    done = subprocess.run(
        ["zsh", "-f", "-c", f"fpath=({tmp_path} $fpath); autoload -U compinit; "
         f"compinit -u -d {tmp_path}/dump; print ${{_comps[akkod]}}; "
         "autoload -U +X _akkod && print loaded"],
        capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["_akkod", "loaded"], done.stderr


def test_fish_completes(tmp_path, commands):
    path = tmp_path / "akkod.fish"
    path.write_text(akkod("completion", "fish").stdout)

    def offered(line):
        done = subprocess.run(
            ["fish", "--no-config", "-c",
             f"source {path}; complete -C '{line}'"],
            capture_output=True, text=True, timeout=60,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
        assert done.returncode == 0, done.stderr
        return {row.split("\t")[0] for row in done.stdout.splitlines()}

    assert offered("akkod ") == set(commands)
    assert offered("akkod explain --") == commands["explain"]
    assert offered("akkod completion ") == set(SHELLS)


def test_every_shell_is_there():
    assert [s for s in SHELLS if shutil.which(s) is None] == []


@pytest.mark.parametrize("args, text", [
    (("completion",), "akkod completion needs a SHELL"),
    (("completion", "fisch"), 'did you mean "fish"?'),
    (("completion", "powershell"), "there is bash, zsh and fish"),
    (("help", "explian"), 'did you mean "explain"?'),
    (("rotues",), 'did you mean "routes"?'),
    (("status", "--jsno"), 'did you mean "--json"?'),
    (("status", "--pem"), 'akkod status does not take "--pem"'),
    (("explain", "a", "b"), 'akkod explain does not take "b"'),
    (("explain", "a", "--method="), "--method needs a METHOD"),
])
def test_mistyped(args, text):
    done = akkod(*args)
    assert done.returncode == 2 and text in done.stderr, done.stderr
    assert not done.stdout
