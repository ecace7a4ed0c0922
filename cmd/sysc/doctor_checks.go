package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sysc/derivations/sandbox"
	"sysc/internal/bytesize"
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

// checkCgroups looks whether builds can have control groups of their own, below
// that of this process.
func (e *examination) checkCgroups() finding {
	const check = "cgroups"
	delegate := "systemd-run --user --scope -p Delegate=yes sysc"
	if os.Geteuid() == 0 {
		delegate = strings.Replace(delegate, " --user", "", 1)
	}
	dir, ok := e.ownCgroup()
	if !ok {
		return finding{check, stateAdvice, "Control groups of version 2 are not mounted, so the memory of a build cannot be limited.",
			"boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line; in a container: --cgroupns=private"}
	}
	controllers, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, name := range []string{"memory", "pids"} {
		if !strings.Contains(" "+strings.TrimSpace(string(controllers))+" ", " "+name+" ") {
			return finding{check, stateAdvice, fmt.Sprintf("Control group %s has no %s controller.", dir, name),
				"boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line, and run: " + delegate}
		}
	}
	if unix.Access(dir, unix.W_OK) != nil || unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil {
		return finding{check, stateAdvice, fmt.Sprintf("Control group %s is not delegated to this user.", dir),
			"run: " + delegate}
	}
	return finding{check, stateOK, fmt.Sprintf("Control group %s is delegated.", dir), ""}
}

// ownCgroup returns the directory of this process's control group of version 2.
func (e *examination) ownCgroup() (string, bool) {
	groups, err := fs.ReadFile(e.proc, "self/cgroup")
	if err != nil {
		return "", false
	}
	own := ""
	for line := range strings.Lines(string(groups)) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			own = p
		}
	}
	mounts, err := e.mounts()
	if err != nil || own == "" {
		return "", false
	}
	for _, m := range mounts {
		if rest, ok := strings.CutPrefix(own, strings.TrimSuffix(m.root, "/")); m.fstype == "cgroup2" && ok {
			return path.Join(m.point, rest), true
		}
	}
	return "", false
}

// A mount is a line of /proc/self/mountinfo.
type mount struct{ root, point, fstype string }

func (e *examination) mounts() ([]mount, error) {
	data, err := fs.ReadFile(e.proc, "self/mountinfo")
	if err != nil {
		return nil, err
	}
	var mounts []mount
	for line := range strings.Lines(string(data)) {
		// See proc_pid_mountinfo(5): an unknown number of fields before the dash.
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 {
			return nil, fmt.Errorf("unknown line %q in mountinfo", line)
		}
		fstype, _, _ := strings.Cut(after, " ")
		mounts = append(mounts, mount{unescape(fields[3]), unescape(fields[4]), fstype})
	}
	return mounts, nil
}

// unescape replaces \040 and its like, by which the kernel writes white space
// and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
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
	mounts, err := e.mounts()
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, m := range mounts {
		if strings.HasPrefix(m.point, filepath.Join(e.store, "tmp")+"/") {
			findings = append(findings, finding{"mounts", stateProblem,
				fmt.Sprintf("%s is mounted among the files of builds, so they cannot be removed.", m.point), "umount -l " + shellword.Quote(m.point)})
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
