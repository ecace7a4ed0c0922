package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_X86_64

// nativeAllowedCalls are the allowed calls that only this architecture has.
var nativeAllowedCalls = []uint32{
	unix.SYS_ACCESS, unix.SYS_READLINK,
	unix.SYS_GETDENTS, unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_LINK, unix.SYS_SYMLINK,
	unix.SYS_RENAME, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT, unix.SYS_DUP2, unix.SYS_PIPE,
	unix.SYS_INOTIFY_INIT, unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_GETPGRP, unix.SYS_ARCH_PRCTL,
	unix.SYS_SET_THREAD_AREA, unix.SYS_GET_THREAD_AREA, unix.SYS_MODIFY_LDT, unix.SYS_POLL,
	unix.SYS_SELECT, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD, unix.SYS_SIGNALFD,
	unix.SYS_ALARM, unix.SYS_PAUSE, unix.SYS_TIME,
}

// nativeOwnerCalls are this architecture's further calls that change an owner.
var nativeOwnerCalls = []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN}

// nativeStatCalls are this architecture's further calls that show an owner.
var nativeStatCalls = []uint32{unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT}

func nativeOrdinary(set func(rule, []uint32)) {
	set(failIfBits(1, setIDBits, unix.EPERM), []uint32{unix.SYS_CHMOD, unix.SYS_CREAT})
	set(failIfMode(1, 2, setIDBits, unix.EPERM), []uint32{unix.SYS_OPEN})
	set(failIfDevice(1, setIDBits, unix.EPERM), []uint32{unix.SYS_MKNOD})
	nativeRefused(set)
}

func nativeSuperuser(set func(rule, []uint32)) {
	set(allow, []uint32{unix.SYS_CHMOD, unix.SYS_CREAT, unix.SYS_OPEN})
	set(failIfDevice(1, 0, unix.EPERM), []uint32{unix.SYS_MKNOD})
	nativeRefused(set)
}

func nativeRefused(set func(rule, []uint32)) {
	set(fail(unix.EPERM), []uint32{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_USELIB})
}

// decodeOwnerCall tells what one of the calls that change an owner asks for.
func decodeOwnerCall(nr int32, args [6]uint64) ownerCall {
	switch nr {
	case unix.SYS_CHOWN:
		return ownerCall{file: fileArg{dir: unix.AT_FDCWD, path: args[0]}, uid: uint32(args[1]), gid: uint32(args[2])}
	case unix.SYS_LCHOWN:
		file := fileArg{dir: unix.AT_FDCWD, path: args[0], flags: unix.AT_SYMLINK_NOFOLLOW}
		return ownerCall{file: file, uid: uint32(args[1]), gid: uint32(args[2])}
	}
	return decodeCommonOwnerCall(nr, args)
}

// decodeStatCall tells what a call that shows an owner asks for, and reports
// whether nr is one.
func decodeStatCall(nr int32, args *[6]uint64) (statCall, bool) {
	switch nr {
	case unix.SYS_STAT:
		return statCall{file: fileArg{dir: unix.AT_FDCWD, path: args[0]}, buffer: args[1]}, true
	case unix.SYS_LSTAT:
		file := fileArg{dir: unix.AT_FDCWD, path: args[0], flags: unix.AT_SYMLINK_NOFOLLOW}
		return statCall{file: file, buffer: args[1]}, true
	case unix.SYS_NEWFSTATAT:
		return decodeFstatat(args), true
	}
	return decodeCommonStatCall(nr, args)
}
