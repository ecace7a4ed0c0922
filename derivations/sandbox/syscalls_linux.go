package sandbox

import "golang.org/x/sys/unix"

const setIDBits = unix.S_ISUID | unix.S_ISGID

// newNamespaces are all flags of clone(2) that make a namespace.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP

// filter returns the filter of a builder.
//
// It is a list of what is allowed. What it does not know fails with ENOSYS, as
// on an older kernel, so that C libraries fall back to what it knows. What
// programs are used to being refused fails with EPERM.
func filter(writableRoot bool, c *Circumstances) program {
	rules := make(map[uint32]rule, 512)
	set := func(r rule, numbers []uint32) {
		for _, nr := range numbers {
			rules[nr] = r
		}
	}
	set(allow, allowedCalls)
	set(allow, nativeAllowedCalls)
	set(allow, statCalls)
	set(allow, nativeStatCalls)
	set(fail(unix.EPERM), refusedCalls)
	set(fail(0), syncCalls)
	set(fail(unix.ENOSYS), []uint32{unix.SYS_CLONE3}) // its flags are out of reach for a filter
	set(failIfBits(0, newNamespaces, unix.EPERM), []uint32{unix.SYS_CLONE})
	set(failIfBits(0, newNamespaces|unix.CLONE_NEWTIME, unix.EPERM), []uint32{unix.SYS_UNSHARE})
	set(socketRule(), []uint32{unix.SYS_SOCKET})
	set(failUnless(0, unix.EAFNOSUPPORT, unix.AF_UNIX), []uint32{unix.SYS_SOCKETPAIR})
	// Input for a terminal's reader, console control, and line disciplines.
	set(failIf(1, unix.EPERM, unix.TIOCSTI, tiocLinux, unix.TIOCSETD), []uint32{unix.SYS_IOCTL})
	set(failUnless(0, unix.EPERM, personalities...), []uint32{unix.SYS_PERSONALITY})
	if writableRoot {
		superuser(set)
	} else {
		ordinary(set)
	}
	circumstances(set, c)
	return assemble(nativeArch, rules, fail(unix.ENOSYS))
}

// ordinary adds the rules of a builder that is nobody special: no set-id bits
// through any call, so that nothing that other users could reach has them for
// an instant, and no extended attributes, which a result cannot have anyway and
// which may be the host's (SELinux).
func ordinary(set func(rule, []uint32)) {
	set(fail(unix.ENOTSUP), xattrCalls)
	set(allow, ownerCalls) // the kernel refuses
	set(allow, nativeOwnerCalls)
	set(allow, identityCalls)
	set(fail(unix.EPERM), []uint32{unix.SYS_CHROOT})
	set(fail(unix.ENOSYS), []uint32{unix.SYS_OPENAT2}) // its mode is out of reach for a filter
	set(failIfBits(1, setIDBits, unix.EPERM), []uint32{unix.SYS_FCHMOD})
	set(failIfBits(2, setIDBits, unix.EPERM), []uint32{unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2})
	set(failIfMode(2, 3, setIDBits, unix.EPERM), []uint32{unix.SYS_OPENAT})
	set(failIfDevice(2, setIDBits, unix.EPERM), []uint32{unix.SYS_MKNODAT})
	nativeOrdinary(set)
}

// superuser adds the rules of a builder that pretends to be one. What changes
// or shows owners goes to the recorder, and so does what decides which file a
// path names.
func superuser(set func(rule, []uint32)) {
	set(notify, ownerCalls)
	set(notify, nativeOwnerCalls)
	set(notify, statCalls)
	set(notify, nativeStatCalls)
	set(notify, []uint32{unix.SYS_CHROOT})
	set(fail(0), identityCalls)
	set(allow, xattrCalls)
	for nr := range xattrQuestions {
		set(notify, []uint32{uint32(nr)})
	}
	set(fail(unix.ENOSYS), xattrAtCalls)
	set(allow, []uint32{
		unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_OPENAT, unix.SYS_OPENAT2,
	})
	set(failIfDevice(2, 0, unix.EPERM), []uint32{unix.SYS_MKNODAT})
	nativeSuperuser(set)
}

// circumstances adds what process 1 answers so that the builder finds others than
// there are.
func circumstances(set func(rule, []uint32), c *Circumstances) {
	if c.ReverseListings {
		set(notify, []uint32{unix.SYS_GETDENTS64})
	}
	if c.ClockShift == 0 {
		return
	}
	set(notify, []uint32{unix.SYS_SET_TID_ADDRESS, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETTIMEOFDAY})
	set(notify, timeCalls)
	set(match(0, dayClocks, unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ALLOW), []uint32{unix.SYS_CLOCK_GETTIME})
	set(rule{
		loadArg(1),
		jump(unix.BPF_JSET, futexClockRealtime, 0, 1),
		ret(unix.SECCOMP_RET_USER_NOTIF),
		ret(unix.SECCOMP_RET_ALLOW),
	}, []uint32{unix.SYS_FUTEX})
}

// dayClocks are the clocks that tell the time of the day (clock_gettime(2)).
var dayClocks = []uint32{unix.CLOCK_REALTIME, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_REALTIME_ALARM, unix.CLOCK_TAI}

// futexClockRealtime is FUTEX_CLOCK_REALTIME (futex(2)).
const futexClockRealtime = 256

// tiocLinux is TIOCLINUX (ioctl_console(2)).
const tiocLinux = 0x541c

// personalities are PER_LINUX and PER_LINUX32, each also with UNAME26 (0x20000),
// no address randomisation (0x40000), and the question (personality(2)).
var personalities = []uint32{0x0, 0x8, 0x20000, 0x20008, 0x40000, 0x40008, 0xffffffff}

// socketRule allows what a network namespace contains. Others are not bound to
// it (vsock leads to the hypervisor) or are ways into the kernel that no build
// needs (alg, packet, …).
func socketRule() rule {
	const netlinkRoute = 0
	return rule{
		loadArg(0),
		jump(unix.BPF_JEQ, unix.AF_UNIX, 6, 0),
		jump(unix.BPF_JEQ, unix.AF_INET, 5, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 4, 0),
		jump(unix.BPF_JEQ, unix.AF_NETLINK, 0, 4),
		loadArg(2),
		jump(unix.BPF_JEQ, netlinkRoute, 1, 0),
		// What libaudit takes for a kernel without audit, as it should.
		ret(failure(unix.EPROTONOSUPPORT)),
		ret(unix.SECCOMP_RET_ALLOW),
		ret(failure(unix.EAFNOSUPPORT)),
	}
}

var xattrCalls = []uint32{
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_SETXATTRAT,
	unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_FGETXATTR, unix.SYS_GETXATTRAT,
	unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_FLISTXATTR, unix.SYS_LISTXATTRAT,
	unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_REMOVEXATTRAT,
}

// xattrAtCalls are as their elder relatives, of which C libraries make use without them
// (Linux 6.13).
var xattrAtCalls = []uint32{unix.SYS_SETXATTRAT, unix.SYS_GETXATTRAT, unix.SYS_LISTXATTRAT, unix.SYS_REMOVEXATTRAT}

// syncCalls make files durable. They succeed and do nothing: what a builder leaves is read
// as it stands and made durable by the store, and all else is thrown away. dpkg alone
// asks for six of them per package.
var syncCalls = []uint32{
	unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE,
}

// ownerCalls change the owner of a file.
var ownerCalls = []uint32{unix.SYS_FCHOWN, unix.SYS_FCHOWNAT}

// statCalls show the owner of a file.
var statCalls = []uint32{unix.SYS_FSTAT, unix.SYS_STATX}

// identityCalls change who a process is. setfsuid and setfsgid return the
// former id, which is 0 as well.
var identityCalls = []uint32{
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID,
	unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_SETGROUPS,
}

// refusedCalls are for the administrator of the machine, or have been a way
// out of sandboxes before. Neither kind of builder has the capabilities for
// most of them; the rest of them is what the filter is for.
var refusedCalls = []uint32{
	// Mounts and namespaces.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
	unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOUNT_SETATTR, unix.SYS_FSOPEN, unix.SYS_FSCONFIG,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_SETNS,
	// Files by handle go around directories.
	unix.SYS_OPEN_BY_HANDLE_AT,
	// Code and data in the kernel.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP,
	unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE,
	unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	// The machine as a whole.
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL,
	unix.SYS_QUOTACTL_FD, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_VHANGUP, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK, unix.SYS_LOOKUP_DCOOKIE,
	unix.SYS_NFSSERVCTL,
}

// allowedCalls are what ordinary programs are made of. The kernel checks their
// arguments against what the builder is.
var allowedCalls = []uint32{
	// Files.
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
	unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_CLOSE,
	unix.SYS_CLOSE_RANGE, unix.SYS_LSEEK, unix.SYS_STATFS,
	unix.SYS_FSTATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETDENTS64,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_RENAMEAT,
	unix.SYS_RENAMEAT2, unix.SYS_TRUNCATE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64,
	unix.SYS_READAHEAD, unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_TEE,
	unix.SYS_VMSPLICE, unix.SYS_UTIMENSAT, unix.SYS_UMASK, unix.SYS_GETCWD, unix.SYS_CHDIR,
	unix.SYS_FCHDIR, unix.SYS_FCNTL, unix.SYS_FLOCK, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_CACHESTAT, unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH,
	unix.SYS_INOTIFY_RM_WATCH, unix.SYS_MEMFD_CREATE,
	unix.SYS_IO_SETUP, unix.SYS_IO_DESTROY, unix.SYS_IO_SUBMIT, unix.SYS_IO_CANCEL,
	unix.SYS_IO_GETEVENTS, unix.SYS_IO_PGETEVENTS,
	// Memory.
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MSYNC,
	unix.SYS_MINCORE, unix.SYS_MLOCK, unix.SYS_MLOCK2, unix.SYS_MUNLOCK, unix.SYS_MLOCKALL,
	unix.SYS_MUNLOCKALL, unix.SYS_MSEAL, unix.SYS_BRK, unix.SYS_REMAP_FILE_PAGES, unix.SYS_PKEY_MPROTECT,
	unix.SYS_PKEY_ALLOC, unix.SYS_PKEY_FREE, unix.SYS_MEMBARRIER, unix.SYS_PROCESS_MADVISE,
	unix.SYS_PROCESS_MRELEASE, unix.SYS_MAP_SHADOW_STACK,
	// Processes and threads.
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_WAIT4, unix.SYS_WAITID,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETPGID, unix.SYS_SETPGID,
	unix.SYS_GETSID, unix.SYS_SETSID, unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST,
	unix.SYS_GET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_FUTEX, unix.SYS_FUTEX_WAITV, unix.SYS_FUTEX_WAKE,
	unix.SYS_FUTEX_WAIT, unix.SYS_FUTEX_REQUEUE, unix.SYS_PRCTL, unix.SYS_SECCOMP, unix.SYS_PTRACE,
	unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_OPEN,
	unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PIDFD_GETFD, unix.SYS_GETRUSAGE, unix.SYS_TIMES,
	unix.SYS_GETRLIMIT, unix.SYS_SETRLIMIT, unix.SYS_PRLIMIT64, unix.SYS_GETPRIORITY,
	unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_GET, unix.SYS_IOPRIO_SET, unix.SYS_SCHED_YIELD,
	unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_GETPARAM,
	unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_SETSCHEDULER,
	unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_GET_PRIORITY_MAX,
	unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_SCHED_RR_GET_INTERVAL, unix.SYS_GETCPU,
	unix.SYS_RESTART_SYSCALL, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE,
	unix.SYS_LANDLOCK_RESTRICT_SELF,
	// Identity.
	unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRESUID,
	unix.SYS_GETRESGID, unix.SYS_GETGROUPS, unix.SYS_CAPGET, unix.SYS_CAPSET,
	// Signals.
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING,
	unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	unix.SYS_RT_SIGSUSPEND, unix.SYS_SIGALTSTACK, unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL,
	unix.SYS_SIGNALFD4,
	// Waiting and time.
	unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT,
	unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_GETITIMER,
	unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_GETTIME,
	unix.SYS_TIMER_GETOVERRUN, unix.SYS_TIMER_DELETE, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME,
	unix.SYS_TIMERFD_GETTIME,
	// Sockets and System V and POSIX communication.
	unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_CONNECT,
	unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG,
	unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT,
	unix.SYS_SHUTDOWN, unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMDT, unix.SYS_SHMCTL,
	unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL, unix.SYS_MSGGET,
	unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	unix.SYS_MQ_TIMEDSEND, unix.SYS_MQ_TIMEDRECEIVE, unix.SYS_MQ_NOTIFY, unix.SYS_MQ_GETSETATTR,
	// Facts.
	unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRANDOM,
}
