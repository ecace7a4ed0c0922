package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

// nativeAllowedCalls is empty: the generic calls are all that there is.
var nativeAllowedCalls []uint32

// nativeOwnerCalls is empty as well.
var nativeOwnerCalls []uint32

// nativeStatCalls are the calls showing an owner that have a name of their own
// here.
var nativeStatCalls = []uint32{unix.SYS_FSTATAT}

func nativeOrdinary(set func(rule, []uint32)) { nativeRefused(set) }

func nativeSuperuser(set func(rule, []uint32)) { nativeRefused(set) }

func nativeRefused(set func(rule, []uint32)) {
	set(fail(unix.EPERM), []uint32{unix.SYS_KEXEC_FILE_LOAD})
}

// decodeOwnerCall tells what one of the calls that change an owner asks for.
func decodeOwnerCall(nr int32, args [6]uint64) ownerCall { return decodeCommonOwnerCall(nr, args) }

// decodeStatCall tells what a call that shows an owner asks for, and reports
// whether nr is one.
func decodeStatCall(nr int32, args *[6]uint64) (statCall, bool) {
	if nr == unix.SYS_FSTATAT {
		return decodeFstatat(args), true
	}
	return decodeCommonStatCall(nr, args)
}
