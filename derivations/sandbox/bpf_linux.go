package sandbox

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// A program is a seccomp filter (seccomp(2)), in classic BPF.
type program []unix.SockFilter

// A rule is the part of a filter that decides about one system call.
// Every way through it ends in a return.
type rule []unix.SockFilter

// Offsets in struct seccomp_data. Both architectures are little-endian.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// loadArg loads the low half of an argument. The calls that rules look into
// take an int or less, of which the kernel ignores the rest.
func loadArg(n int) unix.SockFilter { return load(offArgs + 8*uint32(n)) }

// jump compares the accumulator with k, and skips yes or no instructions.
func jump(op uint16, k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

var allow = rule{ret(unix.SECCOMP_RET_ALLOW)}

// notify asks process 1.
var notify = rule{ret(unix.SECCOMP_RET_USER_NOTIF)}

// fail makes the call fail with e; with 0 it succeeds, and does nothing.
func fail(e unix.Errno) rule { return rule{ret(failure(e))} }

func failure(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// failIfBits makes the call fail when the argument has one of the bits.
func failIfBits(arg int, bits uint32, e unix.Errno) rule {
	return rule{
		loadArg(arg),
		jump(unix.BPF_JSET, bits, 0, 1),
		ret(failure(e)),
		ret(unix.SECCOMP_RET_ALLOW),
	}
}

// failIfMode makes a call that may create a file fail when it would, and the
// mode has one of the bits.
func failIfMode(flagsArg, modeArg int, bits uint32, e unix.Errno) rule {
	const tmpfile = unix.O_TMPFILE &^ unix.O_DIRECTORY
	return rule{
		loadArg(flagsArg),
		jump(unix.BPF_JSET, unix.O_CREAT|tmpfile, 0, 3),
		loadArg(modeArg),
		jump(unix.BPF_JSET, bits, 0, 1),
		ret(failure(e)),
		ret(unix.SECCOMP_RET_ALLOW),
	}
}

// failIfDevice makes mknod fail for devices, and when the mode has one of the
// bits.
func failIfDevice(modeArg int, bits uint32, e unix.Errno) rule {
	return rule{
		loadArg(modeArg),
		jump(unix.BPF_JSET, bits, 4, 0),
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: unix.S_IFMT},
		jump(unix.BPF_JEQ, unix.S_IFCHR, 2, 0),
		jump(unix.BPF_JEQ, unix.S_IFBLK, 1, 0),
		ret(unix.SECCOMP_RET_ALLOW),
		ret(failure(e)),
	}
}

// failIf makes the call fail when the argument is one of values.
func failIf(arg int, e unix.Errno, values ...uint32) rule {
	return match(arg, values, failure(e), unix.SECCOMP_RET_ALLOW)
}

// failUnless makes the call fail when the argument is none of values.
func failUnless(arg int, e unix.Errno, values ...uint32) rule {
	return match(arg, values, unix.SECCOMP_RET_ALLOW, failure(e))
}

func match(arg int, values []uint32, hit, miss uint32) rule {
	r := rule{loadArg(arg)}
	for i, v := range values {
		r = append(r, jump(unix.BPF_JEQ, v, len(values)-i, 0))
	}
	return append(r, ret(miss), ret(hit))
}

// assemble makes the filter that decides by rules, and by fallback about
// calls that these do not name. A call of another architecture kills the
// process: numbers mean something else there. The numbers of x86's x32 calls are
// larger than all others (bit 30), and so fall under fallback.
func assemble(arch uint32, rules map[uint32]rule, fallback rule) program {
	p := program{
		load(offArch),
		jump(unix.BPF_JEQ, arch, 1, 0),
		ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offNumber),
	}
	// The numbers are cut into runs that are decided alike, in increasing order;
	// each run is one comparison and its rule. The kernel remembers which numbers
	// are allowed whatever their arguments, so the length costs little.
	var runEnd uint32
	var run rule
	emit := func() {
		if run != nil {
			p = append(p, jump(unix.BPF_JGT, runEnd, len(run), 0))
			p = append(p, run...)
		}
	}
	extend := func(to uint32, r rule) {
		if !slices.Equal(run, r) {
			emit()
			run = r
		}
		runEnd = to
	}
	next := uint32(0)
	for _, nr := range slices.Sorted(maps.Keys(rules)) {
		if nr > next {
			extend(nr-1, fallback)
		}
		extend(nr, rules[nr])
		next = nr + 1
	}
	emit()
	return append(p, fallback...)
}
