package sandbox

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

func TestDiagnose(t *testing.T) {
	proc := func(settings ...string) fstest.MapFS {
		fs := fstest.MapFS{"sys/user/max_user_namespaces": {Data: []byte("1000\n")}}
		for i := 0; i < len(settings); i += 2 {
			fs["sys/"+settings[i]] = &fstest.MapFile{Data: []byte(settings[i+1] + "\n")}
		}
		return fs
	}
	tests := []struct {
		name  string
		proc  fstest.MapFS
		root  bool
		cause error
		want  string // in the fix of the only problem
	}{
		{"limit", proc("user/max_user_namespaces", "0"), false, unix.ENOSPC, "sysctl -w user.max_user_namespaces=15000"},
		{"limit of another kind", proc("user/max_net_namespaces", "0"), true, unix.ENOSPC, "sysctl -w user.max_net_namespaces=15000"},
		{"Debian's switch", proc("kernel/unprivileged_userns_clone", "0"), false, unix.EPERM, "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"Ubuntu's switch", proc("kernel/apparmor_restrict_unprivileged_userns", "1"), false, unix.EACCES, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"the switches do not bind root", proc("kernel/unprivileged_userns_clone", "0", "kernel/apparmor_restrict_unprivileged_userns", "1"), true, unix.EACCES, "seccomp=unconfined"},
		{"not built in", fstest.MapFS{}, false, unix.EINVAL, "CONFIG_USER_NS"},
		{"covered proc", proc("kernel/unprivileged_userns_clone", "1"), false, unix.EPERM, "docker: --security-opt systempaths=unconfined;"},
		{"container", proc(), false, unix.EACCES, "seccomp=unconfined"},
		{"old kernel", proc(), false, unix.ENOSYS, "Linux 5.12"},
		{"used up", proc(), false, unix.ENOSPC, "max_user_namespaces=100000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cause := error(&stepError{op: mountProcStep, errno: tt.cause.(unix.Errno)})
			problems := diagnose(tt.proc, tt.root, cause)
			if len(problems) != 1 || !strings.Contains(problems[0].Fix, tt.want) {
				t.Errorf("got %+v, want one with %q", problems, tt.want)
			}
			err := error(&UnavailableError{Problems: problems, Cause: cause})
			if !errors.Is(err, tt.cause) || !strings.Contains(err.Error(), problems[0].Fix) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// A builder inside a sandbox is on a machine that forbids sandboxes: sysc says
// so there and runs nothing.
func TestNoSandboxInsideIsAnError(t *testing.T) {
	out := newFixture(t).builder("nested").output()
	for _, want := range []string{"make sandbox: ", "operation not permitted", "fix: ", "builder did not run"} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in %s", want, out)
		}
	}
}
