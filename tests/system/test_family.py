"""A family of device types is its own folders and one row in the table of device types: a copy of the tree gets a
toy family, is built, checked and run, and nothing else is changed."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD, ROOT, Gateway, program  # noqa: E402

TABLE = "supervisor/config/device_type.c"
ROW = '\t{ .module = MODULE("toy"), .type = "toy", .family = "toy" },\n'
FILES = {
    "device-runners/toy/family.mk": "FAMILY_PROTOCOLS := toy\nFAMILY_LIBS :=\nFAMILY_DEPENDS := toy-dev\n",
    "protocols/toy/toy.h": """\
/* The word of toys. */
#ifndef PROTOCOLS_TOY_H
#define PROTOCOLS_TOY_H

/* A constant text: JSON. */
const char *toy_word(void);

#endif
""",
    "protocols/toy/toy.c": """\
#include "protocols/toy/toy.h"

const char *
toy_word(void)
{
	return "\\"quack\\"";
}
""",
    "device-runners/toy/main.c": """\
/* A device of one event. In the toy runner. */
#include <string.h>

#include "device-runners/runtime/runner.h"
#include "protocols/toy/toy.h"

static void *
toy_create(struct runner *r, const struct json *conf)
{
	(void)conf;
	return r;
}

static void
toy_start(void *device)
{
	const char *word = toy_word();

	runner_register(device, (const char *[]){ "gateway", "says" }, 2, NULL, word, strlen(word));
	runner_ready(device);
}

static void
toy_on_event(void *device, const struct runner_event *event)
{
	(void)device, (void)event;
}

static void
toy_end(void *device)
{
	(void)device;
}

int
main(int argc, char **argv)
{
	static const struct runner_device device = {
		.type = "toy",
		.create = toy_create,
		.start = toy_start,
		.on_event = toy_on_event,
		.stop = toy_end,
		.free = toy_end,
	};
	static const struct runner_device *const types[] = { &device, NULL };

	return runner_main(argc, argv, types);
}
""",
}


def copy_tree(to):
    """What is committed or would be, and what was built of it but the tests, with their times: make builds the rest."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE,
                           text=True, check=True).stdout.splitlines()
    for name in names:
        source, target = os.path.join(ROOT, name), os.path.join(to, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target)
    shutil.copytree(BUILD, os.path.join(to, os.path.basename(BUILD)), ignore=shutil.ignore_patterns("tests"))


def add_family(tree):
    for name, text in FILES.items():
        path = os.path.join(tree, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    path = os.path.join(tree, TABLE)
    with open(path, encoding="utf-8") as f:
        before, table, after = f.read().partition("types[] = {\n")
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + table + ROW + after)


@unittest.skipUnless(os.path.isdir(os.path.join(ROOT, ".git")) or os.path.isfile(os.path.join(ROOT, ".git")),
                     "no git repository")
class Family(unittest.TestCase):
    def setUp(self):
        program("gatewayd")
        self.tree = tempfile.mkdtemp(prefix="gatewayd-family-")
        self.addCleanup(shutil.rmtree, self.tree)
        copy_tree(self.tree)
        add_family(self.tree)
        self.run_in_tree("git", "init", "-q")

    def run_in_tree(self, *argv):
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "BUILD")}
        r = subprocess.run(argv, cwd=self.tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(r.returncode, 0, r.stdout)
        return r.stdout

    def test_a_family_is_one_place(self):
        san = ["SAN=1"] if "san" in os.path.basename(BUILD) else []
        out = self.run_in_tree("make", "-s", *san, "all")
        # Nothing but what is new, the table, and whom it is linked into.
        compiled = {line.split()[1] for line in out.splitlines() if line.startswith("  cc ")}
        self.assertEqual(compiled, {n for n in FILES if n.endswith(".c")} | {TABLE})
        self.assertIn(", 0 failed", self.run_in_tree("make", "-s", "lint"))
        self.assertIn("toy-dev", self.run_in_tree("tests/lib/deps", "list"))
        self.serve()

    def serve(self):
        built = os.path.join(self.tree, os.path.basename(BUILD))
        wrap = ["sh", "-c", 'shift; exec "$0" "$@"', os.path.join(built, "gatewayd")]
        g = Gateway({"devices": [{"name": "duck", "module": "hat.gateway.devices.toy"}]}, wrap=wrap)
        self.addCleanup(g.close)
        g.enable("duck")
        g.wait_state("duck", "running")
        says = "gateway/toy/duck/gateway/says"
        self.assertEqual(g.wait(lambda: g.events(says), "the toy's word")[says]["payload"], "quack")


if __name__ == "__main__":
    unittest.main()
