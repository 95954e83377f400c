"""The filters of system calls in a built runner, as the kernel of the machine that it is built for would run them."""

import re
import struct
import subprocess

# Machine of the ELF header: as libseccomp's filters see it (linux/audit.h).
AUDIT_ARCH = {0x28: 0x40000028, 0xB7: 0xC00000B7, 0x16: 0x80000016, 0x3E: 0xC000003E}
ALLOW, TRAP, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00030000, 0x00050000, 0x80000000


class Program:
    """An ELF file: its machine, and the filters in it."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.bytes = f.read()
        self.order = {1: "<", 2: ">"}[self.bytes[5]]
        self.machine = struct.unpack_from(self.order + "H", self.bytes, 18)[0]
        self.arch = AUDIT_ARCH[self.machine]

    def filters(self):
        """Each as a list of (code, jt, jf, k). All begin by loading the architecture of the call."""
        begin = struct.pack(self.order + "HBBI", 0x20, 0, 0, 4)
        return [self._filter(m.start()) for m in re.finditer(re.escape(begin), self.bytes) if m.start() % 4 == 0]

    def _filter(self, at):
        code, reach = [], 0
        while True:
            op, jt, jf, k = struct.unpack_from(self.order + "HBBI", self.bytes, at + 8 * len(code))
            here = len(code)
            code.append((op, jt, jf, k))
            if op == 0x05:
                reach = max(reach, here + 1 + k)
            elif op & 7 == 5:
                reach = max(reach, here + 1 + max(jt, jf))
            elif op == 0x06 and here >= reach:
                return code


def answer(code, arch, number, args=(), order="<"):
    """What the filter returns for a call: the interpreter of classic BPF, as far as libseccomp uses it."""
    values = struct.pack(order + "iIQ6Q", number, arch, 0, *args, *[0] * (6 - len(args)))
    a = at = 0
    while True:
        op, jt, jf, k = code[at]
        at += 1
        if op == 0x20:
            a = struct.unpack_from(order + "I", values, k)[0]
        elif op == 0x54:
            a &= k
        elif op == 0x05:
            at += k
        elif op == 0x15:
            at += jt if a == k else jf
        elif op == 0x25:
            at += jt if a > k else jf
        elif op == 0x35:
            at += jt if a >= k else jf
        elif op == 0x45:
            at += jt if a & k else jf
        elif op == 0x06:
            return k
        else:
            raise ValueError(f"no code of a filter: {op:#x}")


def numbers(compiler, names):
    """The numbers of calls by the headers of the machine, of those that it has."""
    source = "#include <sys/syscall.h>\n" + "".join(f'"@{n}" SYS_{n}\n' for n in names)
    text = subprocess.run([compiler, "-E", "-P", "-x", "c", "-"], input=source, check=True, capture_output=True,
                          text=True).stdout
    found = re.findall(r'"@(\w+)"\s+([^"]+)', text)
    return {name: eval(value) for name, value in found if not re.search("[A-Za-z_]", value)}  # sums of numbers
