package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Probe makes a sandbox of each kind, without a builder in it, and returns what
// keeps it from that; nothing means that builds will run. It takes some
// milliseconds.
func Probe(ctx context.Context) []Problem {
	root, err := os.MkdirTemp("", "sysc-probe-")
	if err != nil {
		return []Problem{{What: fmt.Sprintf("No temporary directory can be made: %v.", err), Fix: "set TMPDIR to a directory that can be written"}}
	}
	defer os.RemoveAll(root)
	var problems []Problem
	for _, writable := range []bool{false, true} {
		spec, err := Spec{Root: root, Argv: []string{"probe"}, WritableRoot: writable}.withDefaults()
		if err == nil {
			_, err = run(ctx, spec, true)
		}
		var unavailable *UnavailableError
		switch {
		case err == nil:
		case errors.As(err, &unavailable):
			return unavailable.Problems // the other kind has the same
		default:
			problems = append(problems, Problem{
				What: fmt.Sprintf("A sandbox cannot be set up: %v.", err),
				Fix:  "set TMPDIR to a directory on a local disk file system (ext4, btrfs, xfs)",
			})
		}
	}
	return problems
}

// unavailable makes the error for a kernel that refused a step.
func unavailable(cause error) error {
	return &UnavailableError{
		Problems: diagnose(os.DirFS("/proc"), os.Geteuid() == 0, cause),
		Cause:    cause,
	}
}

// namespaceLimits are the settings in /proc/sys/user that keep namespaces from
// being made.
var namespaceLimits = []string{"user", "mnt", "pid", "net", "uts", "ipc", "cgroup"}

// diagnose looks in proc for the reason of cause.
func diagnose(proc fs.FS, root bool, cause error) []Problem {
	var problems []Problem
	setting := func(path string) string {
		data, err := fs.ReadFile(proc, "sys/"+path)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	sysctl := func(name, value, what string) {
		problems = append(problems, Problem{
			What: what,
			Fix: fmt.Sprintf("sysctl -w %[1]s=%[2]s (as root; to keep it: echo '%[1]s = %[2]s' > /etc/sysctl.d/60-sysc.conf)",
				name, value),
		})
	}
	for _, kind := range namespaceLimits {
		if setting("user/max_"+kind+"_namespaces") == "0" {
			sysctl("user.max_"+kind+"_namespaces", "15000", fmt.Sprintf("The kernel's limit of %s namespaces is 0.", kind))
		}
	}
	if !root {
		if setting("kernel/unprivileged_userns_clone") == "0" {
			sysctl("kernel.unprivileged_userns_clone", "1", "The kernel gives user namespaces to root only.")
		}
		if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
			sysctl("kernel.apparmor_restrict_unprivileged_userns", "0", "AppArmor takes all rights from user namespaces of ordinary users.")
		}
	}
	if _, err := fs.Stat(proc, "sys/user/max_user_namespaces"); err != nil {
		problems = append(problems, Problem{
			What: "The kernel was built without user namespaces.",
			Fix:  "boot a kernel with CONFIG_USER_NS=y",
		})
	}
	if len(problems) > 0 {
		return problems
	}
	return []Problem{guess(cause)}
}

// guess says what remains when no setting explains cause.
func guess(cause error) Problem {
	old := []error{unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP, unix.ENODEV}
	switch {
	case slices.ContainsFunc(old, func(e error) bool { return errors.Is(cause, e) }):
		return Problem{
			What: "The kernel is too old, or lacks namespaces, seccomp filters, tmpfs, overlayfs or devpts.",
			Fix:  "boot Linux 5.12 or newer with CONFIG_NAMESPACES, CONFIG_SECCOMP_FILTER, CONFIG_TMPFS_XATTR, CONFIG_OVERLAY_FS and CONFIG_UNIX98_PTYS",
		}
	case errors.Is(cause, unix.ENOSPC):
		return Problem{
			What: "All namespaces that the kernel allows are in use, or they are nested too deep.",
			Fix:  "sysctl -w user.max_user_namespaces=100000 (as root), and do not run sysc inside more than 30 nested namespaces",
		}
	case isStep(cause, mountProcStep) && errors.Is(cause, unix.EPERM):
		// A fresh proc would show what is covered (mount_too_revealing in Linux's
		// fs/namespace.c).
		return Problem{
			What: "Parts of /proc are covered here, as containers do, so the kernel gives no fresh /proc to a sandbox.",
			Fix: "docker: --security-opt systempaths=unconfined; podman: --security-opt unmask=ALL; " +
				"Kubernetes: securityContext.procMount: Unmasked; systemd: ProtectKernelTunables=no, ProtectKernelLogs=no and ProcSubset=all",
		}
	}
	return Problem{
		What: "Something forbids namespaces or mounts: most likely the container or service that sysc runs in.",
		Fix: "docker/podman: add --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined (podman: --security-opt unmask=ALL), or --privileged; " +
			"Kubernetes: securityContext.procMount: Unmasked and a seccomp profile that allows unshare and mount; systemd: RestrictNamespaces=no",
	}
}

// isStep reports whether err is what came of the step.
func isStep(err error, op string) bool {
	var se *stepError
	return errors.As(err, &se) && se.op == op
}
