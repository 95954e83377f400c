"""etc/systemd: what systemd-analyze says of it, and gatewayd under the same restrictions without systemd."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile

from fault_site import BUILD, ROOT, SANITIZED, Site, now, wait
from outside import check_status

SYSTEMD = os.path.join(ROOT, 'etc', 'systemd')
UNIT = os.path.join(SYSTEMD, 'gatewayd.service')
USER, PRIVILEGED = 1.5, 1.6  # exposure: as it is, and with ports below 1024
NOBODY = 65534

EPERM, EAFNOSUPPORT = 1, 97
SCMP_ALLOW, SCMP_ERRNO = 0x7fff0000, 0x00050000
MASKED_EQ, EQ = 7, 4
AF_ALLOWED = {'AF_UNIX': 1, 'AF_INET': 2, 'AF_INET6': 10}


class Arg(ctypes.Structure):
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int), ('a', ctypes.c_uint64),
                ('b', ctypes.c_uint64)]


def directives():
    """The unit's, name: list of values."""
    out = {}
    with open(UNIT, encoding='utf-8') as f:
        for line in f:
            m = re.match(r'([A-Za-z]+)=(.*)', line)
            if m:
                out.setdefault(m[1], []).append(m[2])
    return out


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def have_systemd():
    return shutil.which('systemd-analyze')


def exposure(path):
    out = run('systemd-analyze', 'security', '--offline=yes', path).stdout
    return float(re.search(r'exposure level for .*: ([0-9.]+)', out)[1])


def exposure_is_as_low_as_it_can_be(quick):
    if not have_systemd():
        return 'skipped: no systemd-analyze'
    with open(UNIT, encoding='utf-8') as f:
        text = f.read()
    low = text.replace('#CapabilityB', 'CapabilityB').replace('#Ambient', 'Ambient')
    low = low.replace('\nCapabilityBoundingSet=\n', '\n')
    folder = tempfile.mkdtemp(prefix='unit-')
    try:
        path = os.path.join(folder, 'gatewayd.service')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(low)
        got = exposure(UNIT), exposure(path)
    finally:
        shutil.rmtree(folder)
    if got[0] > USER or got[1] > PRIVILEGED:
        raise AssertionError(f'{got}')
    return f'{got[0]}, with ports below 1024 {got[1]}'


def systemd_takes_the_files(quick):
    if not have_systemd():
        return 'skipped: no systemd-analyze'
    folder = tempfile.mkdtemp(prefix='unit-')
    try:
        path = os.path.join(folder, 'gatewayd.service')
        with open(UNIT, encoding='utf-8') as f:
            text = f.read()
        for program in ('/usr/sbin/gatewayd', '/usr/bin/gatewayctl'):
            built = os.path.join(BUILD, os.path.basename(program)).replace(' ', r'\x20')
            text = text.replace(f'={program} ', f'={built} ')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        r = run('systemd-analyze', 'verify', '--man=no', path)
        if r.returncode or 'gatewayd' in r.stderr:
            raise AssertionError(r.stderr)
        os.mkdir(os.path.join(folder, 'etc'))
        if os.geteuid() == 0:
            for tool, where in (('systemd-sysusers', 'sysusers.d'), ('systemd-tmpfiles', 'tmpfiles.d')):
                more = ['--create'] if 'tmpfiles' in tool else []
                r = run(tool, *more, f'--root={folder}', os.path.join(SYSTEMD, where, 'gatewayd.conf'))
                if r.returncode:
                    raise AssertionError(f'{tool}: {r.stderr}')
            if not os.path.isdir(os.path.join(folder, 'etc', 'gatewayd')):
                raise AssertionError('no /etc/gatewayd')
    finally:
        shutil.rmtree(folder)
    return 'unit, sysusers, tmpfiles'


def calls_of(name, seen=None):
    """The system calls of one word of SystemCallFilter=."""
    if not name.startswith('@'):
        return {name}
    out = set()
    for line in run('systemd-analyze', 'syscall-filter', name).stdout.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith('#'):
            out |= calls_of(word)
    return out


def allowed_calls():
    allowed = set()
    for value in directives()['SystemCallFilter']:
        words = value.lstrip('~').split()
        calls = set().union(*(calls_of(w) for w in words))
        allowed = allowed - calls if value.startswith('~') else allowed | calls
    return allowed | calls_of('@default')


def seccomp_loader():
    """A function that loads the unit's system call filters, families and the rest; made before the fork."""
    lib = ctypes.CDLL('libseccomp.so.2')
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    add = lib.seccomp_rule_add_array
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]

    def rule(ctx, action, name, *args):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (Arg * len(args))(*args)
            add(ctx, action, number, len(args), array if args else None)

    names = lib.seccomp_init(SCMP_ERRNO | EPERM)
    for name in allowed_calls():
        rule(names, SCMP_ALLOW, name)
    rest = lib.seccomp_init(SCMP_ALLOW)
    families = {AF_ALLOWED[f] for f in directives()['RestrictAddressFamilies'][0].split()}
    for family in set(range(46)) - families:
        rule(rest, SCMP_ERRNO | EAFNOSUPPORT, 'socket', Arg(0, EQ, family, 0))
    for name in ('unshare', 'setns', 'personality', 'sched_setscheduler'):  # Restrict*, Lock*
        rule(rest, SCMP_ERRNO | EPERM, name)
    rule(rest, SCMP_ERRNO | EPERM, 'mprotect', Arg(2, MASKED_EQ, 4, 4))  # MemoryDenyWriteExecute
    rule(rest, SCMP_ERRNO | EPERM, 'mmap', Arg(2, MASKED_EQ, 6, 6))

    def load():
        for ctx in (rest, names):
            if lib.seccomp_load(ctx):
                raise OSError('seccomp_load')
    return load


def restrict_mounts(libc, folder):
    """ProtectSystem=strict, ProtectProc=invisible, ProcSubset=pid, in a namespace of the child's own."""
    newns, private, bind, remount_ro = 0x20000, 0x44000, 0x1000, 0x1000 | 0x20 | 0x1
    path = folder.encode()
    if (libc.unshare(newns) or libc.mount(b'none', b'/', None, private, None) or
            libc.mount(path, path, None, bind, None) or
            libc.mount(b'none', b'/', None, remount_ro, None) or
            libc.mount(b'proc', b'/proc', b'proc', 0, b'hidepid=invisible,subset=pid')):
        raise OSError(ctypes.get_errno(), 'mounts')


def it_works_under_the_same_restrictions(quick):
    if SANITIZED:
        return 'skipped: AddressSanitizer maps what it likes'
    if not have_systemd():
        return 'skipped: no systemd-analyze'
    libc = ctypes.CDLL(None, use_errno=True)
    load = seccomp_loader()
    root = os.geteuid() == 0
    folder = []

    def preexec():
        if root:
            restrict_mounts(libc, folder[0])
            for capability in range(64):
                libc.prctl(24, capability, 0, 0, 0)  # CapabilityBoundingSet=
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.umask(0o077)
        libc.prctl(38, 1, 0, 0, 0)  # NoNewPrivileges
        load()

    site = Site(3, wait_up=False, preexec=preexec, uid=NOBODY if root else None, defer=True)
    folder.append(site.dir)
    site.start()
    with site:
        site.wait_running(site.names)
        check_status(site.runner('d1'), NOBODY if root else os.geteuid())
        with open(f"/proc/{site.runner('d1')}/status", encoding='ascii') as f:
            filters = int(re.search(r'Seccomp_filters:\s+(\d+)', f.read())[1])
        # Two of the unit, gatewayd's own, and the two locks of a runner.
        if filters != 5:
            raise AssertionError(f'{filters} filters')
        t = now()
        site.tell('d0', 'torture', 'open')
        wait(lambda: site.line('d0: .*denied system call openat', t), 'the obituary names the call')
        wait(lambda: site.word('d0', 'running', True, t), 'd0 again')
        t = now()
        os.kill(site.pid, signal.SIGTERM)
        if site.process.wait(10) != 0:
            raise AssertionError(f'exit code {site.process.returncode}')
        wait(lambda: all(site.word(n, 'running', False, t) for n in site.names), 'running false')
        return f'{len(allowed_calls())} calls allowed, read-only system, hidden processes, {filters} filters'


CASES = [exposure_is_as_low_as_it_can_be, systemd_takes_the_files,
         it_works_under_the_same_restrictions]
