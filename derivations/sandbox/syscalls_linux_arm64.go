package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

// nativeAllowedCalls are the allowed calls that have a name of their own here.
var nativeAllowedCalls = []uint32{unix.SYS_FSTATAT}

// nativeOwnerCalls is empty: the generic calls are all that there is.
var nativeOwnerCalls []uint32

func nativeOrdinary(set func(rule, []uint32)) { nativeRefused(set) }

func nativeSuperuser(set func(rule, []uint32)) { nativeRefused(set) }

func nativeRefused(set func(rule, []uint32)) {
	set(fail(unix.EPERM), []uint32{unix.SYS_KEXEC_FILE_LOAD})
}

// decodeOwnerCall tells what one of the calls that change an owner asks for.
func decodeOwnerCall(nr int32, args [6]uint64) ownerCall { return decodeCommonOwnerCall(nr, args) }
