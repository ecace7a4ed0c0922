package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sysc/derivations/sandbox"
	"sysc/internal/bytesize"
	"sysc/internal/cgroup"
	"sysc/internal/mountinfo"
	"sysc/internal/shellword"
	"sysc/store/localstore"
)

func checkSandbox(problems []sandbox.Problem) []finding {
	if len(problems) == 0 {
		return []finding{{"sandbox", stateOK, "Sandboxes work here.", ""}}
	}
	var findings []finding
	for _, p := range problems {
		findings = append(findings, finding{"sandbox", stateProblem, p.What, p.Fix})
	}
	return findings
}

// wholeLandlock is the version of Landlock that has all that sandboxes use.
const wholeLandlock = 6

func checkLandlock(version int) finding {
	switch {
	case version >= wholeLandlock:
		return finding{"landlock", stateOK, fmt.Sprintf("Landlock is there, version %d.", version), ""}
	case version > 0:
		return finding{"landlock", stateAdvice,
			fmt.Sprintf("The kernel's Landlock is version %d, so signals and abstract sockets of builds have one wall less.", version),
			"boot Linux 6.12 or newer"}
	}
	return finding{"landlock", stateAdvice, "There is no Landlock, so builds have one wall less around them.",
		"boot Linux 6.12 or newer with CONFIG_SECURITY_LANDLOCK=y, and with landlock in the list that the parameter lsm= gives; in a container, let seccomp allow landlock_create_ruleset"}
}

// checkCgroups looks whether builds can have control groups of their own, in that
// of this process.
func (e *examination) checkCgroups() finding {
	const check = "cgroups"
	const boot = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
	delegate := "systemd-run --user --scope -p Delegate=yes sysc build"
	if os.Geteuid() == 0 {
		delegate = strings.Replace(delegate, " --user", "", 1)
	}
	dir, err := cgroup.Find(e.proc)
	var controller *cgroup.ControllerError
	var delegation *cgroup.DelegationError
	switch {
	case err == nil:
		return finding{check, stateOK, fmt.Sprintf("Control group %s is delegated.", dir), ""}
	case errors.Is(err, cgroup.ErrVersion):
		return finding{check, stateAdvice, "Control groups of version 2 are not mounted, so the memory of a build cannot be limited.",
			boot + "; in a container: --cgroupns=private"}
	case errors.As(err, &controller):
		return finding{check, stateAdvice, fmt.Sprintf("Control group %s has no %s controller, so builds cannot be limited.", controller.Dir, controller.Controller),
			boot + ", and run: " + delegate}
	case errors.As(err, &delegation) && delegation.Others > 0:
		return finding{check, stateAdvice, fmt.Sprintf("Control group %s has other processes, such as a shell, so builds cannot be limited.", delegation.Dir),
			"run: " + delegate}
	}
	return finding{check, stateAdvice, sentence(err), "run: " + delegate}
}

// sentence makes one of an error.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// checkIDs tells people who look for it that /etc/subuid is not their problem.
func checkIDs(uid int) finding {
	return finding{"ids", stateOK, fmt.Sprintf("Builds of user %s record the owners of files, and need no subordinate ids (/etc/subuid).", userName(uid)), ""}
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// Below these, the next system may not fit, or very little does.
const (
	adviceSpace  = 10 << 30
	problemSpace = 1 << 30
	problemFiles = 50_000
)

// checkSpace looks at the file system of the store.
func (e *examination) checkSpace() ([]finding, error) {
	dir := e.store
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			// Some file systems have no limit of files, and say 0.
			limited := st.Files > 0
			return []finding{spaceFinding(e.store, int64(st.Bavail)*st.Frsize, int64(st.Ffree), limited)}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return nil, fmt.Errorf("statfs %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

func spaceFinding(dir string, bytes, files int64, limited bool) finding {
	const fix = "sysc gc; or, with generations of a machine that may go: sysc gc --root DIR --older-than 30d; or a store on another disk: --store DIR"
	free := bytesize.Format(bytes) + " free"
	switch {
	case bytes < problemSpace:
		return finding{"space", stateProblem, fmt.Sprintf("The disk of store %s is all but full: %s.", dir, free), fix}
	case limited && files < problemFiles:
		return finding{"space", stateProblem, fmt.Sprintf("The disk of store %s has room for %d more files only.", dir, files), fix}
	case bytes < adviceSpace:
		return finding{"space", stateAdvice, fmt.Sprintf("The disk of store %s has little room: %s.", dir, free), fix}
	}
	return finding{"space", stateOK, fmt.Sprintf("The disk of store %s has %s.", dir, free), ""}
}

// checkClock compares the clock with what has been made already. A wrong clock
// makes signatures invalid: not yet, or no longer.
func (e *examination) checkClock() ([]finding, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	newest := self
	var made time.Time
	for _, name := range []string{self, e.store} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.ModTime().After(made) {
			newest, made = name, info.ModTime()
		}
	}
	return []finding{clockFinding(e.now, newest, made)}, nil
}

func clockFinding(now time.Time, name string, made time.Time) finding {
	const day = 24 * time.Hour
	if now.Before(made.Add(-day)) {
		return finding{"clock", stateProblem,
			fmt.Sprintf("The clock says %s, but %s was changed on %s.", now.UTC().Format(time.DateOnly), name, made.UTC().Format(time.DateOnly)),
			"timedatectl set-ntp true; or, without network: date --utc --set 'YYYY-MM-DD HH:MM'"}
	}
	return finding{"clock", stateOK, fmt.Sprintf("The clock says %s.", now.UTC().Format(time.DateOnly)), ""}
}

// checkMounts looks for mounts where builds have their files. Those of a sandbox
// are in a mount namespace of its own.
func (e *examination) checkMounts() ([]finding, error) {
	mounts, err := mountinfo.Read(e.proc)
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, m := range mounts {
		if strings.HasPrefix(m.Point, filepath.Join(e.store, "tmp")+"/") {
			findings = append(findings, finding{"mounts", stateProblem,
				fmt.Sprintf("%s is mounted among the files of builds, so they cannot be removed.", m.Point), "umount -l " + shellword.Quote(m.Point)})
		}
	}
	if len(findings) == 0 {
		findings = []finding{{"mounts", stateOK, "No mount is left over from a build.", ""}}
	}
	return findings, nil
}

func (e *examination) checkProcesses() ([]finding, error) {
	strays, err := sandbox.Strays(e.proc)
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, pid := range strays {
		findings = append(findings, finding{"processes", stateProblem, fmt.Sprintf("Process %d is a build that nobody waits for.", pid), fmt.Sprintf("kill -9 %d", pid)})
	}
	if len(findings) == 0 {
		findings = []finding{{"processes", stateOK, "No process is left over from a build.", ""}}
	}
	return findings, nil
}

func (e *examination) checkLeftovers() ([]finding, error) {
	left, err := localstore.Leftovers(e.store)
	if err != nil {
		return nil, err
	}
	if len(left) == 0 {
		return []finding{{"leftovers", stateOK, "No file is left over from a build.", ""}}, nil
	}
	return []finding{{"leftovers", stateAdvice,
		fmt.Sprintf("Processes that were killed left %s in store %s, such as %s.", plural(len(left), "file"), e.store, left[0]),
		"sysc gc --store " + shellword.Quote(e.store)}}, nil
}

// checkEvaluations looks whether evaluations can be remembered.
func (e *examination) checkEvaluations() ([]finding, error) {
	const fix = "export XDG_CACHE_HOME=DIR, with a directory where you may write"
	if e.evaluations == "" {
		return []finding{{"evaluations", stateAdvice, "Evaluations are not remembered: neither $XDG_CACHE_HOME nor $HOME names a directory.", fix}}, nil
	}
	for dir := e.evaluations; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != "/" {
			continue // it will be made
		}
		if err == nil && !info.IsDir() {
			err = unix.ENOTDIR
		}
		if err == nil {
			err = unix.Access(dir, unix.W_OK|unix.X_OK)
		}
		if err != nil {
			return []finding{{"evaluations", stateAdvice, fmt.Sprintf("Evaluations are not remembered in %s: %s: %v.", e.evaluations, dir, err), fix}}, nil
		}
		return []finding{{"evaluations", stateOK, fmt.Sprintf("Evaluations are remembered in %s.", e.evaluations), ""}}, nil
	}
}
