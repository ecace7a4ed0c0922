package sandbox

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// decide runs the program as the kernel would on a call, and returns its action.
func decide(t rapid.TB, p program, arch, nr uint32, args ...uint32) uint32 {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(p))
	for i, ins := range p {
		raw[i] = bpf.RawInstruction{Op: ins.Code, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("not a BPF program")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	// This machine loads big-endian words; the kernel's loads native ones.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNumber:], nr)
	binary.BigEndian.PutUint32(data[offArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offArgs+8*i:], a)
	}
	action, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(action)
}

func TestFilterDecisions(t *testing.T) {
	eperm, enosys := failure(unix.EPERM), failure(unix.ENOSYS)
	const ok, kill, notify = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_USER_NOTIF
	tests := []struct {
		name                string
		arch                uint32
		nr                  uint32
		args                []uint32
		ordinary, superuser uint32
	}{
		{"read", nativeArch, unix.SYS_READ, nil, ok, ok},
		{"read of i386", unix.AUDIT_ARCH_I386, unix.SYS_READ, nil, kill, kill},
		{"read of no architecture", 0, unix.SYS_READ, nil, kill, kill},
		{"read of x32", nativeArch, 0x40000000 | unix.SYS_READ, nil, enosys, enosys},
		{"largest number", nativeArch, 0xffffffff, nil, enosys, enosys},
		{"first unknown", nativeArch, 471, nil, enosys, enosys},
		{"mount", nativeArch, unix.SYS_MOUNT, nil, eperm, eperm},
		{"chown of a descriptor", nativeArch, unix.SYS_FCHOWN, nil, ok, notify},
		{"stat of a descriptor", nativeArch, unix.SYS_FSTAT, nil, ok, notify},
		{"statx", nativeArch, unix.SYS_STATX, nil, ok, notify},
		{"chroot", nativeArch, unix.SYS_CHROOT, nil, eperm, notify},
		{"setuid", nativeArch, unix.SYS_SETUID, nil, ok, failure(0)},
		{"setgroups", nativeArch, unix.SYS_SETGROUPS, nil, ok, failure(0)},
		{"openat to read, mode unused", nativeArch, unix.SYS_OPENAT, []uint32{0, 0, unix.O_RDONLY, 0o4755}, ok, ok},
		{"openat to create", nativeArch, unix.SYS_OPENAT, []uint32{0, 0, unix.O_CREAT, 0o755}, ok, ok},
		{"openat to create set-id", nativeArch, unix.SYS_OPENAT, []uint32{0, 0, unix.O_CREAT, 0o2755}, eperm, ok},
		{"nameless set-id", nativeArch, unix.SYS_OPENAT, []uint32{0, 0, unix.O_TMPFILE, 0o4755}, eperm, ok},
		{"a directory is not O_TMPFILE", nativeArch, unix.SYS_OPENAT, []uint32{0, 0, unix.O_DIRECTORY, 0o4755}, ok, ok},
		{"fchmodat", nativeArch, unix.SYS_FCHMODAT, []uint32{0, 0, 0o1777}, ok, ok},
		{"fchmodat set-id", nativeArch, unix.SYS_FCHMODAT, []uint32{0, 0, 0o6755}, eperm, ok},
		{"fifo", nativeArch, unix.SYS_MKNODAT, []uint32{0, 0, unix.S_IFIFO | 0o644}, ok, ok},
		{"character device", nativeArch, unix.SYS_MKNODAT, []uint32{0, 0, unix.S_IFCHR | 0o644}, eperm, eperm},
		{"block device", nativeArch, unix.SYS_MKNODAT, []uint32{0, 0, unix.S_IFBLK | 0o644}, eperm, eperm},
		{"set-id file by mknod", nativeArch, unix.SYS_MKNODAT, []uint32{0, 0, unix.S_IFREG | 0o4644}, eperm, ok},
		{"thread", nativeArch, unix.SYS_CLONE, []uint32{unix.CLONE_VM | unix.CLONE_THREAD}, ok, ok},
		{"namespace", nativeArch, unix.SYS_CLONE, []uint32{unix.CLONE_NEWNET}, eperm, eperm},
		{"own terminal", nativeArch, unix.SYS_IOCTL, []uint32{0, unix.TIOCGWINSZ}, ok, ok},
		{"console", nativeArch, unix.SYS_IOCTL, []uint32{0, tiocLinux}, eperm, eperm},
		{"netlink, route", nativeArch, unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, 3, 0}, ok, ok},
		{"netlink, netfilter", nativeArch, unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, 3, 12}, failure(unix.EPROTONOSUPPORT), failure(unix.EPROTONOSUPPORT)},
		{"inet6", nativeArch, unix.SYS_SOCKET, []uint32{unix.AF_INET6, 1, 6}, ok, ok},
		{"vsock", nativeArch, unix.SYS_SOCKET, []uint32{unix.AF_VSOCK, 1, 0}, failure(unix.EAFNOSUPPORT), failure(unix.EAFNOSUPPORT)},
	}
	ordinary, superuser := filter(false, &Circumstances{}), filter(true, &Circumstances{})
	for _, tt := range tests {
		if got := decide(t, ordinary, tt.arch, tt.nr, tt.args...); got != tt.ordinary {
			t.Errorf("%s: ordinary: got %#x, want %#x", tt.name, got, tt.ordinary)
		}
		if got := decide(t, superuser, tt.arch, tt.nr, tt.args...); got != tt.superuser {
			t.Errorf("%s: superuser: got %#x, want %#x", tt.name, got, tt.superuser)
		}
	}
}

// Every list is about other calls, so that their order does not matter, but for
// those that a rule looks into.
func TestCallsAreListedOnce(t *testing.T) {
	seen := map[uint32]bool{}
	for _, list := range [][]uint32{allowedCalls, nativeAllowedCalls, refusedCalls, xattrCalls, ownerCalls, nativeOwnerCalls, statCalls, nativeStatCalls, identityCalls} {
		for _, nr := range list {
			if seen[nr] {
				t.Errorf("call %d is listed twice", nr)
			}
			seen[nr] = true
		}
	}
}

// The program decides as the table that it was made of.
func TestAssembleFollowsItsTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kinds := []rule{allow, fail(unix.EPERM), fail(0), failIf(0, unix.EINVAL, 7)}
		table := rapid.MapOf(rapid.Uint32Range(0, 40), rapid.IntRange(0, len(kinds)-1)).Draw(rt, "table")
		rules := map[uint32]rule{}
		for nr, k := range table {
			rules[nr] = kinds[k]
		}
		p := assemble(nativeArch, rules, fail(unix.ENOSYS))
		for _, nr := range append(slices.Collect(func(yield func(uint32) bool) {
			for i := range uint32(45) {
				if !yield(i) {
					return
				}
			}
		}), 0xffffffff) {
			arg := rapid.Uint32Range(6, 8).Draw(rt, "arg")
			want := failure(unix.ENOSYS)
			if k, ok := table[nr]; ok {
				want = []uint32{unix.SECCOMP_RET_ALLOW, failure(unix.EPERM), failure(0), unix.SECCOMP_RET_ALLOW}[k]
				if k == 3 && arg == 7 {
					want = failure(unix.EINVAL)
				}
			}
			if got := decide(rt, p, nativeArch, nr, arg); got != want {
				rt.Fatalf("call %d(%d): got %#x, want %#x", nr, arg, got, want)
			}
		}
	})
}
