"""Builds and runs a Containerfile without podman or buildah: each stage is a layer above the files of a base system,
each instruction is carried out in a chroot. Needs root, mount namespaces and overlays."""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess

# $1 the folder of a stage, $2 the base, then more words: the file system of a container.
ENTER = r"""
root=$1/root
mount -t overlay none -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$root"
shift 2
mount -t proc proc "$root/proc"
mount -t tmpfs none "$root/dev"
for d in null zero full random urandom; do
    touch "$root/dev/$d"
    mount --bind "/dev/$d" "$root/dev/$d"
done
"""
# As podman run --read-only --tmpfs /run:mode=1777 -v VOLUME:/var/lib/gatewayd -v FILE:/etc/gatewayd/gatewayd.yaml:ro
RUN = ENTER + r"""
volume=$1 config=$2 program=$3; shift 3
mount -t tmpfs -o mode=1777 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
mount --bind "$volume" "$root/var/lib/gatewayd"
mount --bind "$config" "$root/etc/gatewayd/gatewayd.yaml"
mount -o remount,bind,ro "$root/etc/gatewayd/gatewayd.yaml"
mount -o remount,bind,ro "$root"
exec python3 "$program" "$root" "$@"
"""


class Fault(Exception):
    """A line that cannot be carried out."""


def instructions(text):
    """(number of the line, word, the rest) of each; comments and continued lines as Containerfile(5) has them."""
    rows, begin, line = [], 0, ""
    for number, part in enumerate(text.splitlines(), 1):
        if part.strip().startswith("#") or (not part.strip() and not line):
            continue
        begin = begin if line else number
        line += part.strip().removesuffix("\\")
        if not part.rstrip().endswith("\\"):
            word, _, rest = line.strip().partition(" ")
            rows.append((begin, word, rest.strip()))
            line = ""
    if line:
        raise Fault(f"line {begin}: it goes on, and the file does not")
    return rows


class Stage:
    def __init__(self, folder, base):
        self.folder, self.base = folder, base
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.workdir, self.user, self.volumes, self.entrypoint, self.command = "/", "root", [], [], []
        for name in ("upper", "work", "root"):
            os.makedirs(os.path.join(folder, name))

    def path(self, name):
        """A path of the stage that was written in it."""
        return self.folder + "/upper" + os.path.normpath(os.path.join(self.workdir, name))

    def in_root(self, script, *words):
        """A command that runs in the stage's file system."""
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "sh", "-e", "-c", script, "sh",
                self.folder, self.base, *words]


class Build:
    """context: files that COPY . takes. base: the root of the system that FROM names."""

    def __init__(self, containerfile, context, base, folder):
        self.context, self.base, self.folder = context, base, folder
        self.stages, self.stage, self.arguments = {}, None, {}
        with open(containerfile, encoding="utf-8") as f:
            rows = instructions(f.read())
        for number, word, rest in rows:
            carry_out = getattr(self, "do_" + word.lower(), None) if word.isupper() else None
            try:
                if not carry_out:
                    raise Fault(f"no instruction {word!r}")
                if not self.stage and word not in ("ARG", "FROM"):
                    raise Fault("no FROM before it")
                carry_out(rest)
            except Fault as e:
                raise Fault(f"{containerfile}:{number}: {e}") from None

    def do_arg(self, rest):
        name, _, value = rest.partition("=")
        self.arguments[name] = value

    def do_from(self, rest):
        image, _, name = rest.partition(" AS ")
        image = re.sub(r"\$(\w+)", lambda m: self.arguments.get(m[1], ""), image)
        if not re.fullmatch(r"[a-z0-9./]+:[\w.-]+", image):
            raise Fault(f"no image {image!r}")
        self.stage = Stage(os.path.join(self.folder, f"stage{len(self.stages)}"), self.base)
        self.stages[name or str(len(self.stages))] = self.stage

    def do_workdir(self, rest):
        self.stage.workdir = os.path.join(self.stage.workdir, rest)
        os.makedirs(self.stage.path("."), exist_ok=True)

    def do_copy(self, rest):
        *sources, to = rest.split()
        if sources[0].startswith("--from="):
            other = self.stages.get(sources.pop(0).removeprefix("--from="))
            if not other:
                raise Fault("no such stage")
            sources = [path for s in sources for path in glob.glob(other.folder + "/upper" + s)]
        elif sources == ["."]:
            sources = self.context
        else:
            raise Fault("copies only the whole context")
        if not sources:
            raise Fault("nothing to copy")
        os.makedirs(self.stage.path(to), exist_ok=True)
        subprocess.run(["cp", "-a", "--no-preserve=ownership", *sources, self.stage.path(to)], check=True)

    def do_run(self, rest):
        words = ["env", "-i", *self.environment_words(), "sh", "-c", f"cd {shlex.quote(self.stage.workdir)} && {rest}"]
        r = subprocess.run(self.stage.in_root(ENTER + 'exec chroot "$root" "$@"', *words), capture_output=True, text=True,
                           errors="replace", stdin=subprocess.DEVNULL, check=False)
        if r.returncode:
            raise Fault(f"exit {r.returncode}: {rest}\n{r.stdout[-2000:]}{r.stderr[-2000:]}")

    def environment_words(self):
        return [f"{key}={value}" for key, value in self.stage.environment.items()]

    def do_env(self, rest):
        for word in shlex.split(rest):
            name, equal, value = word.partition("=")
            if not equal:
                raise Fault(f"no value of {name}")
            self.stage.environment[name] = value

    def do_volume(self, rest):
        self.stage.volumes.append(rest)

    def do_user(self, rest):
        self.stage.user = rest

    def do_entrypoint(self, rest):
        self.stage.entrypoint = self.list_of(rest)

    def do_cmd(self, rest):
        self.stage.command = self.list_of(rest)

    @staticmethod
    def list_of(rest):
        """The form without a shell: what runs is process 1 itself."""
        try:
            words = json.loads(rest)
        except ValueError:
            raise Fault(f"not a list: {rest}") from None
        return words


def context(root, folder):
    """What COPY . takes: the sources, without what .containerignore names."""
    with open(os.path.join(root, ".containerignore"), encoding="utf-8") as f:
        ignored = f.read().split()
    shutil.copytree(root, folder, symlinks=True, ignore=lambda path, names: {
        n for pattern in ignored for n in names if path == root and re.fullmatch(pattern.replace("*", ".*"), n)})
    return [os.path.join(folder, name) for name in os.listdir(folder)]
